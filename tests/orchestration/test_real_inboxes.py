"""One run over what organizations and servers of the real world do, and a check of it (R12-R18).

Each case is an organization: what it left in its inbox, and the server that it has.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal

import paramiko
import pytest
from bent_sftp import PASSWORD, USERNAME, Bends, BentServer, serve_bent

from tests.orchestration.houses import as_strict, xlsx_of
from tests.orchestration.installations import (
    CUSTOMERS,
    DAY,
    INVOICES,
    PAYMENTS,
    Deposit,
    Ran,
    Rows,
    one_run,
    organization_of,
)
from tests.orchestration.oracle import text_of_rut

HEADER = "rut,producto,vencimiento,monto\n"
WHOLE = f"{HEADER}12345678-5,P-1,2026-03-31,1000\n".encode()
DEBT = ("12345678-5", "P-1", Decimal(1000))
BIG = HEADER.encode() + b"".join(
    b"12345678-5,P-%06d,2026-03-31,1000\n" % number for number in range(100_000)
)
# A number that is by bad luck somebody else's RUT when its own check digit is left out.
UNLUCKY = 13_656_002


@dataclass(frozen=True)
class Case:
    """What comes of an inbox.

    Args:
        content: of its debts file.
        outcome: of the look.
        status: of the file, None if there is none.
        code: likewise.
        refused: line and code of each refused row.
        debts: customer, product, amount; None: not looked at.
        bends: how its server differs; None: OpenSSH.
        transport: which algorithms it has.
        has_former_key: whether another key of its type is trusted, too, and listed first, also as
            the key of an authority.
        beside: the bytes of other files in its inbox, by name; all are applied.
        customers: those who are known and owe.
        contract: how it differs from the usual.
        name: of the file.
        said: what the run says of it.
        checked: what a check says of it.

    """

    content: bytes = WHOLE
    outcome: str = "looked"
    status: str | None = "applied"
    code: str | None = None
    refused: Rows = field(default_factory=list)
    debts: Rows | None = field(default_factory=lambda: [DEBT])
    bends: Bends | None = None
    transport: type[paramiko.Transport] = paramiko.Transport
    has_former_key: bool = False
    beside: dict[str, bytes] = field(default_factory=dict)
    customers: Rows = field(default_factory=list)
    contract: dict[str, str] = field(default_factory=dict)
    name: str = INVOICES
    said: str | None = None
    checked: str | None = None


class OldTransport(paramiko.Transport):
    """Of a server that has learned no algorithm for twenty years."""

    _preferred_kex = ("diffie-hellman-group14-sha1",)


SHOWN = ("00042", "12345-6", "AB-7", "C0077")
CASES = {
    "no type": Case(bends=Bends(has_type=False)),
    "no permissions": Case(bends=Bends(has_permissions=False)),
    "no time": Case(bends=Bends(has_time=False), checked="server: gives no times"),
    "no size": Case(bends=Bends(has_size=False), checked="server: gives no sizes"),
    "another size": Case(bends=Bends(extra_size=7)),
    "a mailbox that gives once": Case(bends=Bends(is_read_once=True)),
    "few reads at once": Case(BIG, debts=None, bends=Bends(most_waiting_reads=16)),
    "key and password": Case(bends=Bends(logins=("publickey", "password"))),
    "a name in capitals": Case(name="2026-03-02_TOKU_INVOICES.CSV"),
    "two trusted keys of one type": Case(
        bends=Bends(),
        has_former_key=True,
        checked="server: SFTP_KNOWN_HOSTS_FILE lists it where no key can be read, correct line ",
    ),
    "old algorithms": Case(
        outcome="no_common_algorithm",
        status=None,
        debts=[],
        bends=Bends(),
        transport=OldTransport,
        said="the server offers diffie-hellman-group14-sha1; Saldo takes ",
        checked=": ask for one of these on the server",
    ),
    "a receiver that takes at once": Case(bends=Bends(takes_at_close=True), said="taken_unread ("),
    "a workbook of strict Open XML": Case(
        beside={CUSTOMERS: as_strict(xlsx_of([("rut", "nombre"), ("12345678-5", "Ana")]))},
        customers=[("12345678-5",)],
    ),
    "a workbook that shows ids by their formats": Case(
        "\n".join(
            ["cliente,producto,vencimiento,monto", *(f"{id_},P-1,2026-03-31,1000" for id_ in SHOWN)]
        ).encode()
        + b"\n",
        debts=[(id_, "P-1", Decimal(1000)) for id_ in SHOWN],
        contract={"customer_id_scheme": "external_id"},
        beside={
            CUSTOMERS: xlsx_of(
                [
                    ("id cliente", "nombre"),
                    (123456, "Ana"),
                    (77, "Eva"),
                    (42, "Rut"),
                    ("AB-7_x000D_", "Sol"),
                ],
                {"A2": "00000-0", "A3": '"C"0000', "A4": "00000"},
            )
        },
        customers=[(id_,) for id_ in SHOWN],
    ),
    "no end of the last line": Case(
        WHOLE.removesuffix(b"\n"), checked="warning: its last line has no line end"
    ),
    "nearly the name": Case(
        outcome="misnamed",
        status=None,
        debts=[],
        name="2026-03-02_toku_invoice.csv",
        checked="inbox: misnamed: 2026-03-02_toku_invoice.csv",
    ),
    "an upload that has not ended": Case(
        outcome="still_growing",
        status=None,
        debts=[],
        name=f"{INVOICES}.filepart",
        checked=f"inbox: still_growing: {INVOICES}.filepart",
    ),
    "ids in scientific notation": Case(
        WHOLE + b'12345678-5,"1,23457E+11",2026-03-31,1000\n',
        refused=[(3, "inexact_id")],
        checked="line 3: inexact_id",
    ),
    "blanks and invisible characters": Case(
        HEADER.encode() + "12345678-5\u00a0,\u200bP-1\t,2026-03-31,1000\n".encode(),
        debts=[("12345678-5", "\u200bP-1", Decimal(1000))],
    ),
    "damaged UTF-8": Case(
        f"{HEADER[:-1]},nota\n12345678-5,P-1,2026-03-31,1000,«ñandú» ".encode() + b"\xf1\n",
        status="refused",
        code="damaged_encoding",
        debts=[],
        checked="the whole file: refused (damaged_encoding)",
    ),
    "UTF-8 with a BOM": Case(codecs.BOM_UTF8 + WHOLE),
    "UF": Case(
        f"{HEADER[:-1]},moneda\n"
        "12345678-5,P-1,2026-03-31,0.1234,UF\n"
        "12345678-5,P-2,2026-03-31,0.12345,UF\n".encode(),
        refused=[(3, "invalid_amount")],
        debts=[("12345678-5", "P-1", Decimal("0.1234"))],
        contract={"currency": "CLF"},
        checked="line 3: invalid_amount",
    ),
    "rows in other currencies": Case(
        f"{HEADER[:-1]},moneda\n"
        "12345678-5,P-1,2026-03-31,1000,CLP\n"
        "12345678-5,P-2,2026-03-31,25.5,UF\n"
        "12345678-5,P-3,2026-03-31,120,USD\n".encode(),
        refused=[(3, "other_currency"), (4, "other_currency")],
        checked="line 4: other_currency",
    ),
    "check digits apart": Case(
        "rut,dv,producto,vencimiento,monto\n"
        f"{UNLUCKY},{text_of_rut(UNLUCKY)[-1]},P-1,2026-03-31,1000\n"
        "12345678,4,P-2,2026-03-31,1000\n".encode(),
        refused=[(3, "invalid_rut")],
        debts=[(text_of_rut(UNLUCKY), "P-1", Decimal(1000))],
        checked="line 3: invalid_rut",
    ),
    "a row of totals": Case(
        WHOLE + b"Total general,,,1000\n",
        refused=[(3, "invalid_rut")],
        checked="line 3: invalid_rut",
    ),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, BentServer]]:
    """The servers that are not OpenSSH, by case, over one folder."""
    root = tmp_path_factory.mktemp("servers")
    servers = {}
    with ExitStack() as stack:
        for number, (case, each) in enumerate(CASES.items()):
            if each.bends is None:
                continue
            state = root / f"bent_{number}"
            bent = serve_bent(root / "server", state, each.bends, each.transport)
            servers[case] = stack.enter_context(bent)
            if each.has_former_key:
                known_hosts = servers[case].known_hosts_file
                listed, key = known_hosts.read_text(), paramiko.ECDSAKey.generate()
                former = f"{listed.split()[0]} {key.get_name()} {key.get_base64()}\n"
                known_hosts.write_text(f"{former}@cert-authority {former}{listed}")
        yield servers


@pytest.fixture(scope="module")
def ran(servers: dict[str, BentServer]) -> Iterator[Ran]:
    root = next(iter(servers.values())).root.parent
    deposits: dict[str, Deposit] = {}
    environment: dict[str, str] = {}
    for case, each in CASES.items():
        contract = dict(each.contract)
        if each.bends is not None:
            contract |= {"sftp_port": str(servers[case].port), "sftp_username": USERNAME}
            if "password" in each.bends.logins:
                environment[f"SFTP_PASSWORD_{organization_of(case).upper()}"] = PASSWORD
        deposits[case] = Deposit(each.content, contract, each.name, beside=each.beside)
    trusted = [each.known_hosts_file for each in servers.values()]
    with one_run(root, deposits, environment, trusted) as ran:
        yield ran


@pytest.mark.parametrize("case", CASES)
def test_a_run_reads_each_inbox_as_a_person_would(ran: Ran, case: str) -> None:
    expected, organization_id = CASES[case], organization_of(case)
    looks = ran.query(
        "select outcome from raw.inbox_looks where organization_id = ?", organization_id
    )
    assert looks == [(expected.outcome,)], ran.command.stderr
    file = [] if expected.status is None else [(expected.status, expected.code)]
    assert ran.files(organization_id) == file * (1 + len(expected.beside))
    assert ran.refused_rows(organization_id) == expected.refused
    if expected.debts is not None:
        found = [(row[0], row[1], row[3]) for row in ran.debts(organization_id)]
        assert found == expected.debts
    customers = ran.query(
        """
        select customer_id
        from debts inner join customers using (organization_id, customer_id)
        where organization_id = ? order by all
        """,
        organization_id,
    )
    assert customers == expected.customers


def test_the_run_says_of_each_inbox_what_is_wrong_and_prints_no_lines_of_libraries(
    ran: Ran, servers: dict[str, BentServer]
) -> None:
    assert ran.command.returncode == 1
    said = ran.command.stdout + ran.command.stderr
    for case, each in CASES.items():
        if each.outcome != "looked":
            assert f"{organization_of(case)} inbox not read ({each.outcome}): " in said
        assert each.said is None or each.said in said
    assert not re.search(r"Traceback|stamina|paramiko", said)
    assert "refused: have it corrected and sent again" in said
    # What cannot heal is not tried again: the look and the delivery asked once.
    assert servers["old algorithms"].connections == 2


def test_a_check_says_all_of_it_before_there_is_a_run(ran: Ran) -> None:
    checked = ran.again("check")
    assert checked.returncode == 1
    sections = re.split(r"^(case_\w+)\s*─*$", checked.stdout, flags=re.MULTILINE)
    told = dict(zip(sections[1::2], sections[2::2], strict=True))
    expected = {organization_of(case): each.checked for case, each in CASES.items() if each.checked}
    assert {name: text for name, text in expected.items() if text not in told[name]} == {}
    good = (
        "no type",
        "no permissions",
        "key and password",
        "a name in capitals",
        "two trusted keys of one type",
    )
    for name in map(organization_of, good):
        assert "records: 1, of which 1 accepted" in told[name]
    assert ran.again("check", organization_of("no end of the last line")).returncode == 0


def test_a_receiver_that_takes_at_once_is_sent_each_file_once_whatever_runs(
    ran: Ran, servers: dict[str, BentServer]
) -> None:
    ran.again("run", "--date", DAY)
    taken = servers["a receiver that takes at once"].taken
    assert len(taken) == len(set(taken))
    assert {name.split(".csv")[0].lstrip(".") for name in taken} >= {PAYMENTS.removesuffix(".csv")}
