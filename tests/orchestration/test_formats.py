"""Formats as organizations send them: each cell of `raw`, each cell of `debts`, each code.

One organization for each case, all of them in one run of the operators' command.
"""

from __future__ import annotations

import codecs
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.orchestration.installations import Deposit, Ran, Rows, one_run, organization_of

LIBREOFFICE = Path(__file__).parent / "fixtures" / "libreoffice"

TEXT = (
    "rut,producto,vencimiento,monto,nota\n"
    "12345678-5,P-1,2026-03-31,1500.50,«ñandú»\n"
    "11.111.111-1,P 2,2026-04-30,1000,\n"
)
RAW: Rows = [
    (2, "12345678-5", "P-1", "2026-03-31", "1500.50", {"nota": "«ñandú»"}),
    (3, "11.111.111-1", "P 2", "2026-04-30", "1000", None),
]
DEBTS: Rows = [
    ("11111111-1", "P 2", date(2026, 4, 30), Decimal("1000.00"), None),
    ("12345678-5", "P-1", date(2026, 3, 31), Decimal("1500.50"), {"nota": "«ñandú»"}),
]
ONE_RAW, ONE_DEBT = RAW[:1], DEBTS[1:]


@dataclass(frozen=True)
class Case:
    """A file and all that comes of it; what is not said is what comes of TEXT.

    Args:
        content: the bytes.
        contract: how they differ from a contract of the defaults.
        aliases: the organization's own header names.
        raw: the rows as they land.
        debts: the debts.
        refused: the refused rows, line and code.
        file: status and code of the file.

    """

    content: bytes
    contract: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    raw: Rows = field(default_factory=lambda: RAW)
    debts: Rows = field(default_factory=lambda: DEBTS)
    refused: Rows = field(default_factory=list)
    file: tuple[str, str | None] = ("applied", None)


def _refused_file(content: bytes, code: str, **contract: str) -> Case:
    return Case(content, contract, raw=[], debts=[], file=("refused", code))


def _with(old: str, new: str, text: str = TEXT) -> bytes:
    assert old in text
    return text.replace(old, new).encode()


def _one_cell(
    column: int, texts: Mapping[str, object], refusal: str, delimiter: str = ",", **contract: str
) -> Case:
    """A file with one text after another in one column, each a debt of its own.

    Args:
        column: 2 for the due date, 3 for the amount.
        texts: each with what it is read as; None for refused.
        refusal: the code of those.
        delimiter: of the file.
        contract: how it is read.

    """
    raw: Rows = []
    debts: Rows = []
    lines = [delimiter.join(("rut", "producto", "vencimiento", "monto"))]
    for line, (text, value) in enumerate(texts.items(), 2):
        cells = ["12345678-5", f"P-{line:02}", "2026-03-31", "1000"]
        cells[column] = text
        lines.append(delimiter.join(f'"{cell}"' for cell in cells))
        raw.append((line, *(cell or None for cell in cells), None))
        if value is not None:
            debt: list[object] = [*cells[:2], date(2026, 3, 31), Decimal(1000), None]
            debt[column] = value
            debts.append(tuple(debt))
    return Case(
        "\n".join(lines).encode(),
        {**contract, **({"delimiter": delimiter} if delimiter != "," else {})},
        raw=raw,
        debts=debts,
        refused=[(line, refusal) for line, value in enumerate(texts.values(), 2) if value is None],
    )


def _dates(date_format: str, day: str, *others: str) -> Case:
    texts = {day: date(2026, 3, 31), f" {day} ": date(2026, 3, 31), **dict.fromkeys(others)}
    return _one_cell(2, texts, "invalid_due_date", date_format=date_format)


ENCODINGS = {
    "UTF-8": Case(TEXT.encode()),
    "UTF-8 with a BOM": Case(codecs.BOM_UTF8 + TEXT.encode()),
    "cp1252": Case(TEXT.encode("cp1252")),
    "UTF-16 little-endian with a BOM": _refused_file(
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "unreadable_encoding"
    ),
    "UTF-16 big-endian with a BOM": _refused_file(
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "unreadable_encoding"
    ),
    "UTF-16 without a BOM": _refused_file(TEXT.encode("utf-16-le"), "nul_bytes"),
    "UTF-32": _refused_file(TEXT.encode("utf-32"), "unreadable_encoding"),
    "UTF-8 twice over stays what it is": Case(
        TEXT.encode().decode("latin-1").encode(),
        raw=[(2, *RAW[0][1:5], {"nota": "Â«Ã±andÃºÂ»"}), RAW[1]],
        debts=[DEBTS[0], (*DEBTS[1][:4], {"nota": "Â«Ã±andÃºÂ»"})],
    ),
    "a byte that is in no encoding": _refused_file(
        TEXT.encode("cp1252").replace(b"P-1", b"P\x811"), "unreadable_encoding"
    ),
    "a NUL byte": _refused_file(_with("P-1", "P\0"), "nul_bytes"),
    "NUL bytes after the last record": _refused_file(TEXT.encode() + bytes(4096), "nul_bytes"),
}

DELIMITERS = {
    "comma": Case(TEXT.encode()),
    "semicolon": Case(_with(",", ";"), {"delimiter": ";"}),
    "tab": Case(_with(",", "\t"), {"delimiter": "tab"}),
    "pipe": Case(_with(",", "|"), {"delimiter": "|"}),
    "another delimiter than agreed": _refused_file(_with(",", ";"), "missing_column"),
    "sep line": Case(
        b"sep=;\n" + _with(",", ";"),
        {"delimiter": ";"},
        raw=[(line + 1, *cells) for line, *cells in RAW],
    ),
    "sep line in capitals, quoted, CRLF, after a BOM": Case(
        codecs.BOM_UTF8 + b'"SEP=;"\r\n' + _with(",", ";").replace(b"\n", b"\r\n"),
        {"delimiter": ";"},
        raw=[(line + 1, *cells) for line, *cells in RAW],
    ),
    "sep line that names another delimiter than agreed": _refused_file(
        b"sep=;\n" + _with(",", ";"), "missing_column"
    ),
    "trailing delimiter in every line": Case(_with("\n", ",\n")),
    "trailing delimiters in the header alone": Case(_with("nota\n", "nota,,\n")),
    "trailing delimiters in the records alone": Case(_with("«ñandú»\n", "«ñandú»,,\n")),
    "trailing delimiter before the end of the file": Case(TEXT.encode()[:-1] + b","),
    "delimiters in quotes": Case(
        _with("P-1", '"P,1"'),
        raw=[(2, "12345678-5", "P,1", *RAW[0][3:]), RAW[1]],
        debts=[DEBTS[0], ("12345678-5", "P,1", *DEBTS[1][2:])],
    ),
    "a record with a field too many": _refused_file(_with("P-1", "P,1"), "wrong_field_count"),
    "a record with a field too few": _refused_file(_with("P 2,", ""), "wrong_field_count"),
}

LINE_ENDS = {
    "LF": Case(TEXT.encode()),
    "CRLF": Case(_with("\n", "\r\n")),
    "CR": Case(_with("\n", "\r")),
    "LF, CRLF and CR": Case(
        _with("1500.50,«ñandú»\n", "1500.50,«ñandú»\r").replace(b"\n", b"\r\n", 1)
    ),
    "no final line end": Case(TEXT.encode()[:-1]),
    "blank lines": Case(b"\n" + _with("\n", "\n\n"), raw=[(4, *RAW[0][1:]), (6, *RAW[1][1:])]),
    "a Ctrl-Z at the end as DOS leaves it": _refused_file(
        TEXT.encode() + b"\x1a", "wrong_field_count"
    ),
}

QUOTES = {
    "all quoted": Case(
        b"".join(
            b'"' + line.replace(b",", b'","') + b'"\r\n' for line in TEXT.encode().splitlines()
        )
    ),
    "line ends in quotes": Case(
        _with("«ñandú»", '"dos\nlíneas\r\ny\rmás"'),
        raw=[(2, *RAW[0][1:5], {"nota": "dos\nlíneas\r\ny\rmás"}), (6, *RAW[1][1:])],
        debts=[DEBTS[0], (*DEBTS[1][:4], {"nota": "dos\nlíneas\r\ny\rmás"})],
    ),
    "doubled quotes": Case(
        _with("«ñandú»", '"""ñ"" y """"a"'),
        raw=[(2, *RAW[0][1:5], {"nota": '"ñ" y ""a'}), RAW[1]],
        debts=[DEBTS[0], (*DEBTS[1][:4], {"nota": '"ñ" y ""a'})],
    ),
    "quotes inside a field without quotes": Case(
        _with("«ñandú»", "TV 32\" 5'"),
        raw=[(2, *RAW[0][1:5], {"nota": "TV 32\" 5'"}), RAW[1]],
        debts=[DEBTS[0], (*DEBTS[1][:4], {"nota": "TV 32\" 5'"})],
    ),
    "a quote that stays open": _refused_file(_with("«ñandú»", '"ñandú'), "unclosed_quote"),
    "text after a closing quote": _refused_file(_with("P-1", '"P"-1'), "text_after_quote"),
}

HEADERS = {
    "in another order": Case(
        "nota,monto,vencimiento,producto,rut\n«ñandú»,1500.50,2026-03-31,P-1,12345678-5\n".encode(),
        raw=ONE_RAW,
        debts=ONE_DEBT,
    ),
    "in capitals with blanks and accents": Case(
        _with(
            "rut,producto,vencimiento,monto",
            " RUT  Cliente ,NÚMERO DE CONTRATO,Fecha-Vencimiento,Importe",
        )
    ),
    "accents written as letter and mark": Case(_with("producto", "nu\u0301mero de contrato")),
    "in English": Case(_with("rut,producto,vencimiento,monto", "customer,product,due,amount")),
    "by a name of its own": Case(_with("producto", "Medidor"), aliases={"medidor": "product_id"}),
    "a required column is missing": _refused_file(_with("monto", "valor"), "missing_column"),
    "a required column stands twice": _refused_file(_with("nota", "MONTO"), "doubled_column"),
    "a RUT and an external id, customers known by RUT": Case(
        _with("nota", "external_id").replace(b"rut", b"government_id"),
        raw=[(*row[:5], row[5] and {"external_id": "«ñandú»"}) for row in RAW],
        debts=[(*row[:4], row[4] and {"external_id": "«ñandú»"}) for row in DEBTS],
    ),
    "a RUT and an external id, customers known by the external id": Case(
        b"government_id,external_id,producto,vencimiento,monto\n"
        b"12345678-5,AL-01,P-1,2026-03-31,1500.50\n",
        {"customer_id_scheme": "external_id"},
        raw=[(2, "AL-01", "P-1", "2026-03-31", "1500.50", {"government_id": "12345678-5"})],
        debts=[
            (
                "AL-01",
                "P-1",
                date(2026, 3, 31),
                Decimal("1500.50"),
                {"government_id": "12345678-5"},
            )
        ],
    ),
    "two columns for the RUT": _refused_file(_with("nota", "government_id"), "doubled_column"),
    "unknown, doubled and nameless columns": Case(
        b"zona,rut,producto,vencimiento,monto,,zona\n"
        b"norte,12345678-5,P-1,2026-03-31,1500.50,x,sur\n",
        raw=[(*RAW[0][:5], {"column_6": "x", "zona": "norte", "zona_2": "sur"})],
        debts=[(*DEBTS[1][:4], {"column_6": "x", "zona": "norte", "zona_2": "sur"})],
    ),
    "no header": _refused_file(TEXT.encode().split(b"\n", 1)[1], "missing_column"),
}

EMPTY = {
    "0 bytes": _refused_file(b"", "empty_file"),
    "a BOM and nothing": _refused_file(codecs.BOM_UTF8, "empty_file"),
    "line ends and nothing": _refused_file(b"\r\n\r\n", "empty_file"),
    "header only, replacing": Case(
        TEXT.encode().splitlines()[0], raw=[], debts=[], file=("held", "empty_file")
    ),
    "header only, updating": Case(
        TEXT.encode().splitlines()[0], {"update_mode": "upsert"}, raw=[], debts=[]
    ),
}

AMOUNTS = {
    "decimal point": _one_cell(
        3,
        {
            "1500.5": Decimal("1500.50"),
            "10000.0000": Decimal("10000.00"),
            "210.0": Decimal("210.00"),
            "0": Decimal("0.00"),
            "007": Decimal("7.00"),
            " 12 ": Decimal("12.00"),
            "1,234,567.50": Decimal("1234567.50"),
            "99999999999999.99": Decimal("99999999999999.99"),
            "15.000": None,
            "1.005": None,
            "1,50": None,
            "1,2345": None,
            "12,34,567": None,
            "1.234,50": None,
            "$1000": None,
            "1 000": None,
            "1\u00a0000": None,
            "1'000": None,
            "1e3": None,
            "+5": None,
            ".5": None,
            "5.": None,
            "١٢": None,
            "NaN": None,
            "=1+1": None,
            "-": None,
            "": None,
            "100000000000000": None,
            "9" * 400: None,
        },
        "invalid_amount",
    ),
    "decimal comma": _one_cell(
        3,
        {
            "1500,5": Decimal("1500.50"),
            "1.234.567,50": Decimal("1234567.50"),
            "15.000": Decimal("15000.00"),
            "1000": Decimal("1000.00"),
            "10000,0000": Decimal("10000.00"),
            "1500.50": None,
            "1,005": None,
            "1,234,567.50": None,
            "1.50,00": None,
        },
        "invalid_amount",
        delimiter=";",
        decimal_separator=",",
    ),
    "decimal comma in quotes between commas": _one_cell(
        3, {"1500,5": Decimal("1500.50")}, "invalid_amount", decimal_separator=","
    ),
    "decimal comma without quotes between commas": _refused_file(
        _with("1500.50", "1500,50"), "wrong_field_count", decimal_separator=","
    ),
    "negative": _one_cell(
        3,
        {
            "-1": None,
            "-0.01": None,
            "-1,000.00": None,
            "1000-": None,
            "1,000.00-": None,
            "-0": Decimal(0),
        },
        "negative_amount",
    ),
}

DATES = {
    "year first": _dates(
        "YYYY-MM-DD",
        "2026-03-31",
        "31-03-2026",
        "2026/03/31",
        "20260331",
        "2026-3-31",
        "2026-02-29",
        "2026-03-31 00:00",
        "46112",
        "26-03-31",
        "٢٠٢٦-٠٣-٣١",
        "",
    ),
    "day first with hyphens": _dates(
        "DD-MM-YYYY", "31-03-2026", "31/03/2026", "2026-03-31", "03-31-2026", "31-03-26", "1-3-2026"
    ),
    "day first with slashes": _dates(
        "DD/MM/YYYY",
        "31/03/2026",
        "31-03-2026",
        "03/31/2026",
        "31/03/26",
        "31/3/2026",
        # As long as the form.
        "1/03/2026\t",
    ),
    "no separators": _dates(
        "YYYYMMDD", "20260331", "31032026", "2026-03-31", "260331", "2026033", "20261331"
    ),
    "years that no debt has": _one_cell(
        2,
        {
            "0026-03-31": None,
            "0001-01-01": None,
            "1900-01-01": None,
            "1989-12-31": None,
            "1990-01-01": date(1990, 1, 1),
            "2100-12-31": date(2100, 12, 31),
            "2101-01-01": None,
            "9999-12-31": None,
        },
        "invalid_due_date",
    ),
}

MEGABYTES = "ñ" * 1_000_000
SIZES = {
    "a column of 2 MB": Case(
        _with("«ñandú»", MEGABYTES),
        raw=[(2, *RAW[0][1:5], {"nota": MEGABYTES}), RAW[1]],
        debts=DEBTS[:1],
        refused=[(2, "attribute_too_long")],
    ),
    "an identifier of 2 MB": Case(
        _with("P-1", MEGABYTES),
        raw=[(2, "12345678-5", MEGABYTES, *RAW[0][3:]), RAW[1]],
        debts=DEBTS[:1],
        refused=[(2, "id_too_long")],
    ),
    "identifiers of 256 characters and of 257": Case(
        _with("P-1", "ñ" * 256).replace(b"P 2", "ñ".encode() * 257),
        raw=[(2, "12345678-5", "ñ" * 256, *RAW[0][3:]), (*RAW[1][:2], "ñ" * 257, *RAW[1][3:])],
        debts=[("12345678-5", "ñ" * 256, *DEBTS[1][2:])],
        refused=[(3, "id_too_long")],
    ),
    "a customer's external id of 257 characters": Case(
        _with("11.111.111-1", "x" * 257),
        {"customer_id_scheme": "external_id"},
        raw=[RAW[0], (3, "x" * 257, *RAW[1][2:])],
        debts=DEBTS[1:],
        refused=[(3, "id_too_long")],
    ),
}

SHEET: Rows = [
    (
        2,
        "12.345.678-5",
        "0012",
        "31-03-2026",
        "1.234.567,50",
        {"Dirección": "Ñuble 12, depto; 3 | «B» €"},
    ),
    (
        3,
        "11111111-1",
        "42",
        "30-04-2026",
        "990,00",
        {"Dirección": 'Local "El Roble"\nsegundo piso'},
    ),
    (5, "20.347.878-k", "=1+1", "31-05-2026", "0,10", None),
]
SHEET_DEBTS: Rows = [
    ("11111111-1", "42", date(2026, 4, 30), Decimal("990.00"), SHEET[1][5]),
    ("12345678-5", "0012", date(2026, 3, 31), Decimal("1234567.50"), SHEET[0][5]),
    ("20347878-K", "=1+1", date(2026, 5, 31), Decimal("0.10"), None),
]


def _saved(name: str, delimiter: str) -> Case:
    return Case(
        (LIBREOFFICE / name).read_bytes(),
        {"delimiter": delimiter, "decimal_separator": ",", "date_format": "DD-MM-YYYY"},
        raw=SHEET,
        debts=SHEET_DEBTS,
    )


FROM_LIBREOFFICE = {
    "UTF-8 by LibreOffice": _saved("utf_8.csv", ","),
    "cp1252 and semicolons by LibreOffice": _saved("semicolon_cp1252.csv", ";"),
    "all text quoted by LibreOffice": _saved("quoted_text.csv", ","),
    "tabs by LibreOffice": _saved("tab.csv", "tab"),
    "pipes by LibreOffice": _saved("pipe.csv", "|"),
    "values as stored by LibreOffice": dataclasses.replace(
        _saved("values_as_stored.csv", "|"),
        raw=[
            (*SHEET[0][:3], "03/31/2026", "1234567,5", SHEET[0][5]),
            (*SHEET[1][:3], "04/30/2026", "990", SHEET[1][5]),
            (*SHEET[2][:3], "05/31/2026", "0,1", None),
        ],
        debts=[],
        refused=[(line, "invalid_due_date") for line in (2, 3, 5)],
    ),
    "UTF-16 by LibreOffice": dataclasses.replace(
        _saved("utf_16.csv", ","), raw=[], debts=[], file=("refused", "unreadable_encoding")
    ),
}

CASES = {
    **ENCODINGS,
    **DELIMITERS,
    **LINE_ENDS,
    **QUOTES,
    **HEADERS,
    **EMPTY,
    **{f"amounts with {name}": case for name, case in AMOUNTS.items()},
    **{f"dates with {name}": case for name, case in DATES.items()},
    **SIZES,
    **FROM_LIBREOFFICE,
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    deposits = {
        name: Deposit(case.content, case.contract, aliases=case.aliases)
        for name, case in CASES.items()
    }
    with one_run(tmp_path_factory.mktemp("formats"), deposits) as ran:
        assert ran.command.returncode == 1, ran.command.stderr  # some files are refused
        yield ran


@pytest.mark.parametrize("name", CASES)
def test_each_cell_lands_as_it_was_and_each_debt_is_what_the_row_says(ran: Ran, name: str) -> None:
    case, organization_id = CASES[name], organization_of(name)
    assert ran.files(organization_id) == [case.file]
    assert ran.raw_rows(organization_id) == case.raw
    assert ran.debts(organization_id) == case.debts
    assert ran.refused_rows(organization_id) == case.refused


def test_no_organization_was_left_out(ran: Ran) -> None:
    assert ran.query("select organization_id from raw.intake_files order by all") == sorted(
        (organization_of(name),) for name in CASES
    )


def test_records_and_amounts_balance_for_every_file(ran: Ran) -> None:
    """Records are accepted or refused, and so is every amount that can be read (R14, R19)."""
    balances = {
        organization_id: rest
        for organization_id, *rest in ran.query(
            """
            select
                organization_id, record_count, accepted_count, rejected_count, accepted_amount
            from intake_files
            """
        )
    }
    assert balances == {
        organization_of(name): [
            len(case.raw),
            len(case.debts),
            len(case.refused),
            sum((Decimal(str(debt[3])) for debt in case.debts), Decimal(0)),
        ]
        for name, case in CASES.items()
    }
