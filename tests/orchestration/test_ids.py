"""R1: ids that look the same are the same, however they are spelled and wherever they come from."""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.contracts.organizations import Organization
from orchestration.delivery import published_copy
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.privacy import id_spellings, persons
from tests.orchestration.building import dbt_output
from tests.orchestration.houses import Deposit, House, csv_of, event_of, xlsx_of

BLANKS = " \t\u00a0\u1680\u2000\u2003\u2007\u2009\u202f\u205f\u2028\u2029\u3000\u2800\u3164"
INVISIBLES = "\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u2060\u2066\u2069\ufeff\u00ad\u061c\ufe0f"
HYPHENS = "-\u2010\u2011"
VISIBLE = "ABCXYZabcxyz0123456789-/._#ñÑáÉüÇ°&'\"=ΩЖ"
DUE = "2026-03-31"
HEADER = ("customer_id", "product_id", "due_date", "amount")
MODES = ("replace", "upsert")


def _is_marked(text: str) -> bool:
    """Whether a text begins or is wrapped like one that a spreadsheet marked."""
    return text.startswith("'") or text.startswith('="')


FLOAT = re.compile(r"[0-9]{3,}[.,]0")
IDS = (
    st.lists(st.text(VISIBLE, min_size=1, max_size=5), min_size=1, max_size=3)
    .map(" ".join)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: not _is_marked(text) and not FLOAT.fullmatch(text))
)


def spell(id_: str, generator: random.Random) -> str:
    """Write an id in a way that looks the same (R1)."""

    def some(characters: str, most: int) -> str:
        return "".join(generator.choices(characters, k=generator.randint(0, most)))

    def blank() -> str:
        return generator.choice(BLANKS) + some(BLANKS, 2)

    text = unicodedata.normalize(generator.choice(("NFC", "NFD")), id_)
    text = "".join(generator.choice(HYPHENS) if each == "-" else each for each in text)
    text = "".join(blank() if each == " " else each for each in text)
    # A mark of its own may not part a letter from its accent.
    text = "".join(
        each if unicodedata.combining(each) else some(INVISIBLES, 1) + each for each in text
    )
    text += some(INVISIBLES, 2)
    mark = generator.randint(0, 3)
    if mark == 1 and '"' not in text:
        text = f'="{some(BLANKS, 1)}{text}{some(BLANKS, 1)}"'
    elif mark == 2 and id_[0] in "0123456789-=":
        text = f"'{text}"
    return some(BLANKS, 2) + text + some(BLANKS, 2)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house with one debt, whose ids are plain."""
    house = House.make(tmp_path_factory.mktemp("plain"), {"agua": {}})
    house.load(Deposit("agua", csv_of([HEADER, ("C-1", "P 1", DUE, "1000")])))
    return house


@pytest.fixture(scope="module")
def connection(plain: House) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.reading(plain.home) as connection:
        yield connection


def _normal(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    row = connection.execute("select main.normal_id(?)", [text]).fetchone()
    assert row is not None
    return str(row[0])


@given(id_=IDS, seed=st.integers(0, 2**32))
@settings(max_examples=400, deadline=None)
def test_every_spelling_of_an_id_has_one_normal_form_which_is_the_id(
    connection: duckdb.DuckDBPyConnection, id_: str, seed: int
) -> None:
    assert _normal(connection, spell(id_, random.Random(seed))) == id_
    assert _normal(connection, id_) == id_


@given(text=st.text(max_size=30))
@settings(max_examples=400, deadline=None)
def test_the_normal_form_is_the_normal_form_of_itself(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    once = _normal(connection, text.replace("\0", ""))
    assert _normal(connection, once) == once


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ('="00124"', "00124"),
        ("'00124", "00124"),
        ("''00124", "00124"),
        ("'AB", "'AB"),
        ("'-5", "-5"),
        ('\'="00124"', "00124"),
        ('="AB-1" ', "AB-1"),
        ('=AB"1"', '=AB"1"'),
        ("N\u0303un\u0303oa 7", "Ñuñoa 7"),
        ("A\u2007\u2007B\t", "A B"),
        ("A\r\nB", "A B"),
        ("L\u20112\u200b", "L-2"),
        ("\u200b \u00ad", ""),
        ("0012.a-k", "0012.a-k"),
        ("a \u2013 b", "a \u2013 b"),
    ],
)
def test_what_is_taken_off_an_id_and_what_stays(
    connection: duckdb.DuckDBPyConnection, text: str, normal: str
) -> None:
    assert _normal(connection, text) == normal


@pytest.fixture(scope="module")
def says(plain: House) -> Iterator[Callable[[str, str], bool]]:
    """Ask a macro whether something is so of a text."""
    macros = ("is_plain_id", "find_mangled_code", "looks_negative")
    asked = ", ".join(f"({{{{ {name}('text') }}}}) as {name}" for name in macros)
    options = ("--quiet", "--no-write-json", "--target", "scratch")
    compiled = dbt_output(plain.home, "compile", *options, "--inline", f"select {asked}")
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    sql = compiled.stdout[compiled.stdout.index("select ") :]

    with duckdb.connect() as connection:

        def say(macro: str, text: str) -> bool:
            row = connection.execute(
                f"select {macro} from (select ? as text) cross join lateral ({sql})", [text]
            ).fetchone()
            assert row is not None
            return row[0] not in (None, False)

        yield say


@given(text=st.text("aA'= ~-1Ñ\n\u00a0", max_size=9))
@settings(max_examples=400, deadline=None)
def test_an_id_is_plain_as_a_group_of_two_lengths_would_say(
    says: Callable[[str, str], bool], text: str
) -> None:
    assert says("is_plain_id", text) == bool(re.fullmatch(r"[!-&(-<>-~]( ?[!-~])*", text))


@given(text=st.text("0123456789eE+-., ", max_size=9))
@settings(max_examples=400, deadline=None)
def test_an_id_is_a_rounded_number_or_a_float_as_its_whole_form_says(
    says: Callable[[str, str], bool], text: str
) -> None:
    form = r"[+-]?[0-9]+([.,][0-9]* ?[eE] ?[+-]?| ?[eE] ?[+]) ?[0-9]+"
    normal = re.sub(" +", " ", text).strip()
    is_mangled = re.fullmatch(form, normal) or FLOAT.fullmatch(normal)
    assert says("find_mangled_code", text) == bool(is_mangled)


@pytest.mark.parametrize(
    "float_", ["4512.0", "12345,0", "\u00a0100.0\u200b ", "'4512.0", '="4512.0"']
)
def test_an_id_that_a_program_wrote_as_a_float_is_noticed(
    says: Callable[[str, str], bool], float_: str
) -> None:
    assert says("find_mangled_code", float_)


@pytest.mark.parametrize("id_", ["4512", "45.0", "4512.00", "4512.10", "4.512.0", "A4512.0"])
def test_an_id_that_is_no_float_may_be_one(says: Callable[[str, str], bool], id_: str) -> None:
    assert not says("find_mangled_code", id_)


@given(text=st.text("01-\u2212() x.,", max_size=9))
@settings(max_examples=400, deadline=None)
def test_an_amount_looks_negative_as_patterns_that_look_back_would_say(
    says: Callable[[str, str], bool], text: str
) -> None:
    before = r"^[^0-9]*[-\u2212][^0-9]*[0-9]"
    after = r"[0-9][^-\u22120-9]*(?<![ .,]) *[-\u2212][^0-9]*$"
    within = r"^[^0-9]*[(][^()]*[0-9][^()]*[)][^0-9]*$"
    expected = any(re.search(each, text) for each in (before, after, within))
    assert says("looks_negative", text) == expected


@pytest.mark.parametrize("minus", "-\u2212")
@pytest.mark.parametrize("point", [".", ",", " .", ". ", ",\u00a0"])
def test_a_minus_behind_a_point_or_a_comma_stands_for_no_decimals(
    says: Callable[[str, str], bool], point: str, minus: str
) -> None:
    amount = f"15.000{point}{minus}"
    assert not says("looks_negative", amount)
    assert not says("looks_negative", f"${amount} CLP")
    assert says("looks_negative", f"{minus}{amount}")
    assert says("looks_negative", f"15.000,00{minus}")


def test_the_key_of_a_plain_debt_is_the_hash_of_its_text(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    key = f"agua|{DUE}|3|C-1|P 1"
    expected = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    assert connection.execute("select debt_id from debts").fetchall() == [(expected,)]


@given(
    customers=st.lists(IDS, min_size=12, max_size=12, unique=True),
    products=st.lists(IDS, min_size=12, max_size=12, unique=True),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=1, deadline=None)
def test_each_spelling_meets_the_same_debt_through_files_workbooks_and_events(
    tmp_path_factory: pytest.TempPathFactory, customers: list[str], products: list[str], seed: int
) -> None:
    generator = random.Random(seed)
    root = tmp_path_factory.mktemp("spelled")
    house = House.make(root, {mode: {"update_mode": mode} for mode in MODES})
    keys = list(zip(customers, products, strict=True))
    first = {
        mode: [
            (spell(customer, generator), spell(product, generator)) for customer, product in keys
        ]
        for mode in MODES
    }

    def listed(mode: str) -> Deposit:
        rows = [
            (spell(customer, generator), spell(product, generator), DUE, "1000")
            for customer, product in keys
        ]
        return Deposit(mode, csv_of([HEADER, *rows]))

    house.load(
        *(
            Deposit(mode, csv_of([HEADER, *((*ids, DUE, "1000") for ids in first[mode])]))
            for mode in MODES
        )
    )
    known = house.query(
        "select organization_id, debt_id, customer_id, product_id from debts order by all"
    )
    assert len(known) == len(MODES) * len(keys)
    assert {row[2:] for row in known} == {
        tuple(each.strip(BLANKS) for each in ids) for mode in MODES for ids in first[mode]
    }

    states = ("authorized", "in_process", "called_paid", "owed")
    state_of = {key: states[number % len(states)] for number, key in enumerate(keys)}
    events = [
        event_of(
            mode,
            number + 100 * (mode == "upsert"),
            customer_id=spell(key[0], generator),
            product_id=spell(key[1], generator),
            due_date=DUE,
            status=state_of[key],
        )
        for mode in MODES
        for number, key in enumerate(keys)
        if state_of[key] in ("authorized", "in_process")
    ]
    called_paid = [
        Deposit(
            mode,
            csv_of(
                [
                    HEADER,
                    *(
                        (spell(customer, generator), spell(product, generator), DUE, "1000")
                        for customer, product in keys
                        if state_of[customer, product] == "called_paid"
                    ),
                ]
            ),
            "payments",
        )
        for mode in MODES
    ]
    created = [
        Deposit(
            mode,
            xlsx_of(
                [
                    ("Identificador", "Nombre"),
                    *((spell(each, generator), "Ana") for each in customers),
                ]
            ),
            "customers",
        )
        for mode in MODES
    ]
    house.load(*(listed(mode) for mode in MODES), *called_paid, *created, events=events)
    assert house.refused_rows() == []
    house.load(*(listed(mode) for mode in MODES))

    statuses = {"authorized": "paid", "in_process": "in_process", "called_paid": "paid"}
    assert (
        house.query(
            "select organization_id, debt_id, customer_id, product_id from debts order by all"
        )
        == known
    )
    found = house.query(
        "select organization_id, main.normal_id(customer_id), main.normal_id(product_id), status"
        " from debts order by all"
    )
    assert found == sorted(
        (mode, *key, statuses.get(state_of[key], "pending")) for mode in MODES for key in keys
    )
    assert house.refused_rows() == []
    assert house.query("select * from payment_exceptions where code = 'unknown_debt'") == []
    accounts = house.query(
        "select organization_id, main.normal_id(customer_id), is_created, is_owing"
        " from customer_accounts order by all"
    )
    owing = {key[0] for key in keys if statuses.get(state_of[key]) != "paid"}
    assert accounts == sorted(
        (mode, customer, True, customer in owing) for mode in MODES for customer in customers
    )
    # The organization's files get its own spelling back, not that of the events.
    spelled = {row[1:][0]: row[2:] for row in known}
    for debt_id, *ids in house.query(
        "select debt_id, customer_id, product_id from payments_file_lines"
    ):
        assert tuple(ids) == spelled[debt_id]


def test_a_person_is_found_by_every_spelling(tmp_path: Path) -> None:
    generator = random.Random(7)
    house = House.make(tmp_path, {"agua": {"update_mode": "upsert"}})

    def somebody() -> str:
        return spell("Ñ 007-A", generator)

    rows = [(somebody(), f"P {number}", DUE, "1000") for number in range(4)]
    house.load(
        Deposit("agua", csv_of([HEADER, *rows, ("Ñ 007-B", "P 9", DUE, "1000")])),
        Deposit("agua", csv_of([HEADER, *rows[:1]]), "payments"),
        Deposit("agua", xlsx_of([("Identificador", "Nombre"), (somebody(), "Ana")]), "customers"),
        events=[event_of("agua", 1, customer_id=somebody(), product_id="P 1", due_date=DUE)],
    )
    organization = house.organizations["agua"]
    named = id_spellings.normal_ids(house.home, organization, [somebody(), "Ñ 007-A"])
    assert [ids.every for ids in named] == [("Ñ 007-A",)] * 2
    asked = id_spellings.Persons("agua", "external_id", {named[0].every[0]: "borrado-1"})
    with persons.asking(house.home, lambda _: None) as connection:
        found = persons.find(connection, asked)
    lines = sorted(sorted(rows) for rows in found.rows.values())
    assert lines == [[2], [2], [2, 3, 4, 5]]
    assert {row.pseudonym for rows in found.rows.values() for row in rows.values()} == {"borrado-1"}
    assert {name: list(rows) for name, rows in found.events.items()} == {(1, "load_01.jsonl"): [1]}


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        (
            "external_id",
            "the contract of lumina has another customer_id_scheme than the warehouse: run, then"
            " erase",
        ),
        (None, "the warehouse was built without a contract of lumina: `replay`, then erase"),
    ],
)
def test_nobody_is_erased_by_another_scheme_than_that_of_the_last_build(
    home: Home, make_organization: Callable[..., Organization], scheme: str | None, said: str
) -> None:
    asked = id_spellings.Persons("lumina", "rut", {"16847293-K": "borrado-1"})
    with warehouse.connect(home) as connection:
        connection.execute(
            "create table marts.main.organizations as"
            " select 'lumina' as organization_id, ? as customer_id_scheme where ? is not null",
            [scheme, scheme],
        )
        with pytest.raises(id_spellings.RefusedError) as told:
            persons.check(connection, home, make_organization(), asked, {"16847293-K": 1})
    assert str(told.value) == said


def test_what_a_customer_paid_and_owes_is_one_answer_however_the_id_is_spelled(
    tmp_path: Path,
) -> None:
    """Question 15, asked of the published copy."""
    house = House.make(tmp_path, {"agua": {}})
    spelled = ("C 1", "C\u00a0 1", "C\u200b 1")
    rows = [(each, f"P-{number}", DUE, "1000") for number, each in enumerate(spelled)]
    paid = [
        ("C 1", "P-0", DUE),
        ("C  1", "P-1", DUE),
        ("C 2", "P-9", DUE),
        ("C\u00a01", "P-8", DUE),
    ]
    house.load(
        Deposit("agua", csv_of([HEADER, *rows])),
        events=[
            event_of("agua", number, customer_id=customer, product_id=product, due_date=due)
            for number, (customer, product, due) in enumerate(paid)
        ],
    )
    with warehouse.connect(house.home) as connection:
        published_copy.publish(connection, house.home)
    text = (PROJECT / "docs" / "questions.md").read_text("utf-8")
    question = text.partition("\n## 15. ")[2].partition("```sql\n")[2].partition("```")[0]
    with duckdb.connect(str(house.home.analytics), read_only=True) as connection:
        assert connection.execute(question).fetchall() == [
            ("agua", "C 1", "CLP", 3000, 0, 1000),
            ("agua", "C 2", "CLP", 1000, 0, 0),
        ]
