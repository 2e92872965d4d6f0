"""Each command of the README and of the documents for operators, as it is written, in a clone.

A command of theirs that is in none of the lists below fails: it is run here, or it is said why not
and which test does what it does.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect, sync_playwright

from orchestration.__main__ import VERBS
from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import DAYS
from orchestration.devtools.loopback_sftp import LoopbackServer, free_port
from orchestration.installation.home import PROJECT
from tests.orchestration.clones import Clone, make_clone
from tests.orchestration.serving import follow

README = PROJECT / "README.md"
PAGES = ("deployment", "erasing", "onboarding", "operations", "troubleshooting")
DOCUMENTS = (
    README,
    *(PROJECT / "docs" / f"{name}.md" for name in PAGES),
)
PROGRAMS = "dagster|dbt|duckdb|htpasswd|make|pip|python|ssh|ssh-keyscan|systemctl|systemd-analyze"
FENCED = re.compile(r"^( *)```sh\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(rf"`((?:{PROGRAMS}) [^`]+)`")
VERB = re.compile(r"^\| (`.*?)\|", re.MULTILINE)

RUN = {
    "test_the_demo_sets_everything_up_and_prints_its_days": ["make demo"],
    "test_the_prompt_answers_the_questions_of_the_readme": [
        "make sql SALDO_HOME=data/demo",
        "make sql",
    ],
    "TestUserInterface": ["make dev SALDO_HOME=data/demo"],
    "test_the_documentation_is_written": ["make docs"],
    "test_the_pages_open_in_a_browser": ["make pages SALDO_HOME=data/demo"],
    "test_a_day_is_run_for_real_and_read": [
        ". .venv/bin/activate",
        "cp .env.example .env",
        "set -a; . ./.env; set +a",
        "make run DATE=2026-03-02",
        "make report DATE=2026-03-02",
        'duckdb -readonly data/analytics.duckdb "select status, count(*) from debts group by all"',
        "make run",
        "python -m orchestration held",
        "python -m orchestration check ORGANIZATION",
        "python -m orchestration check --offline",
        "python -m orchestration VERB --help",
    ],
    "test_a_server_is_installed_and_asked_to_run_past_dates": [
        "cd /opt/saldo",
        "mkdir -p /etc/saldo/seeds /etc/saldo/keys",
        "cp seeds/*.csv /etc/saldo/seeds",
        "sed -i '2,$d' /etc/saldo/seeds/organizations.csv",
        "sed -i '/^andes_seguros,/d' /etc/saldo/seeds/column_aliases.csv",
        "touch /etc/saldo/known_hosts",
        "set -a; . /etc/saldo/environment; set +a",
        'pwd > "$(echo .venv/lib/python3*/site-packages)/saldo.pth"',
        "dagster job backfill --job business_date --from 2026-03-02 --to 2026-03-31 --noprompt",
    ],
}
# Why it is not run, and the test that does what it does; none where it is not ours.
NOT_RUN = {
    "make test": ("it runs this test", None),
    "make dev": ("as with SALDO_HOME=data/demo, in another folder", "TestUserInterface"),
    "make pages": ("as with SALDO_HOME=data/demo, in another folder", "TestDeciding"),
    "make .venv/spark/ready": (
        "needs Java, downloads PySpark: `make test-spark` runs it",
        "test_make_installs_pyspark_where_spark_is_asked_for",
    ),
    "make pages SALDO_HOME=data/trial": (
        "as with SALDO_HOME=data/demo, in an empty folder",
        "TestDeciding",
    ),
    "python -m orchestration VERB": ("stands for each verb", None),
    "python -m orchestration pages": ("is what `make pages` runs", "TestDeciding"),
    **dict.fromkeys(
        (
            "python -m orchestration run --date DATE",
            "python -m orchestration report --date 2026-03-02",
        ),
        ("is what make runs", "test_a_day_is_run_for_real_and_read"),
    ),
    **dict.fromkeys(
        ("dbt build", "dbt test", "dbt docs generate"),
        ("in a clone of its own", "test_a_fresh_clone_is_built_without_a_row_of_raw"),
    ),
    "dbt test --select test_type:unit": ("in a home", "test_every_dbt_unit_test_passes"),
    "make bank-holidays SALDO_SEEDS=FOLDER": (
        "writes a seed",
        "test_it_is_written_where_the_contracts_of_the_installation_are",
    ),
    "python -m orchestration upload-customers lumina clientes.xlsx": (
        "needs a workbook",
        "test_an_upload_creates_customers_and_says_which_rows_it_refused",
    ),
    "python -m orchestration erase": ("ends what a kill left", "test_killed_at_any_step"),
    "python -m orchestration erase lumina 19.153.032-2": (
        "builds all anew",
        "test_no_file_of_the_home_holds_the_id_the_name_or_the_mail",
    ),
    "python -m orchestration erase lumina 19153032-2 24830060-4": (
        "builds all anew",
        "test_two_customers_of_an_own_scheme_are_erased_at_once",
    ),
    "python -m orchestration republish ORGANIZATION DATE": (
        "needs a file that was taken",
        "test_a_payments_file_that_was_taken_away_is_republished_with_the_same_bytes",
    ),
    "chgrp analysts /var/lib/saldo && chmod 0710 /var/lib/saldo": (
        "needs a group",
        "test_the_group_of_a_home_of_mode_0710_reads_the_copy_and_nothing_else",
    ),
    "chmod 0700 /var/lib/saldo": ("is what a home has that nobody else may read", None),
    "python3 -m venv .venv": (
        "as the Makefile does it",
        "test_the_demo_sets_everything_up_and_prints_its_days",
    ),
    ".venv/bin/pip install --no-deps --require-hashes --only-binary :all:"
    " --requirement requirements.txt": (
        "as the Makefile does it, with the packages of the tests besides",
        "test_the_demo_sets_everything_up_and_prints_its_days",
    ),
    "ssh -L 3000:127.0.0.1:3000 ACCOUNT@HOST": (
        "needs a host; a tunnel's end has another port",
        "test_a_page_asks_under_each_name_of_this_machine_and_at_the_end_of_a_tunnel",
    ),
    "ssh -L 8600:127.0.0.1:8600 ACCOUNT@HOST": (
        "needs a host",
        "test_a_foreign_name_for_this_machine_is_not_answered",
    ),
    "ssh-keyscan -p PORT HOST": ("OpenSSH's own", None),
    **dict.fromkeys(
        (
            "systemctl daemon-reload",
            "systemctl enable --now saldo-daemon saldo-webserver saldo-pages",
            "systemctl reset-failed saldo-daemon && systemctl start saldo-daemon",
            "systemctl restart saldo-daemon saldo-webserver saldo-pages",
            "systemctl stop saldo-daemon saldo-webserver saldo-pages",
        ),
        ("needs systemd", None),
    ),
    "systemctl start saldo-alert@test": (
        "needs systemd",
        "test_a_service_that_cannot_start_for_want_of_room_fails_and_its_unit_tells",
    ),
    "systemd-analyze security": ("needs systemd", None),
    "dagster dev": ("is what not to do", None),
    "dagster run delete": ("Dagster's own", None),
    "install -m 0640 -g www-data /dev/null /etc/saldo/passwords": (
        "in another folder",
        "TestProxy",
    ),
    "htpasswd -B /etc/saldo/passwords NAME": ("in another folder", "TestProxy"),
}


def commands_of(document: Path) -> set[str]:
    """The commands of a document: the lines of its blocks, and what it names in a sentence."""
    text = document.read_text("utf-8")
    lines = [line for _, block in FENCED.findall(text) for line in block.splitlines()]
    typed = {re.split(r"\s+#\s", line)[0].strip() for line in lines}
    prose = re.sub(r"\s*\n\s*", " ", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return {command for command in typed if command} | set(INLINE.findall(prose))


def test_each_command_is_run_here_or_says_why_not() -> None:
    listed = {command for commands in RUN.values() for command in commands} | set(NOT_RUN)
    assert set().union(*map(commands_of, DOCUMENTS)) == listed


def test_what_is_said_to_run_a_command_is_a_test() -> None:
    sources = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    named = {*RUN, *(test for _, test in NOT_RUN.values() if test)}
    assert [n for n in named if f"def {n}" not in sources and f"class {n}" not in sources] == []


def test_the_verbs_of_the_readme_are_verbs() -> None:
    (table,) = re.findall(
        r"\| command \| what it does \|\n(.*?)\n\n", README.read_text(), re.DOTALL
    )
    told = {each for cell in VERB.findall(table) for each in re.findall(r"`([a-z-]+)", cell)}
    assert told - set(VERBS) == set()
    assert set(VERBS) - told == {"load-decisions", "load-uploads", "pages", "run", "webserver"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    root = tmp_path_factory.mktemp("clone")
    return make_clone(root, {"SALDO_UI_PORT": free_port(), "SALDO_PAGES_PORT": free_port()})


@dataclass(frozen=True)
class Demo:
    """The clone after the first command of the README."""

    clone: Clone
    command: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def demo(clone: Clone) -> Demo:
    return Demo(clone, clone.run("make demo"))


def test_the_demo_sets_everything_up_and_prints_its_days(demo: Demo) -> None:
    assert demo.command.returncode == 0, demo.command.stderr
    for day in DAYS:
        assert f"{day:%A} {day}" in demo.command.stdout
    assert demo.command.stdout.splitlines()[-3:] == [
        "Query what analysts read:  make sql SALDO_HOME=data/demo",
        "See runs and lineage:      make dev SALDO_HOME=data/demo",
        "Open the console:          make pages SALDO_HOME=data/demo",
    ]
    (where,) = demo.clone.folder.glob(".venv/lib/python3*/site-packages/saldo.pth")
    assert where.read_text() == f"{demo.clone.folder}\n"
    # Every tool finds the project's modules, wherever it is started.
    found = demo.clone.run("cd / && $OLDPWD/.venv/bin/python -c 'import orchestration'")
    assert (found.returncode, found.stderr) == (0, "")


def test_the_prompt_answers_the_questions_of_the_readme(demo: Demo) -> None:
    (questions,) = re.findall(r"```sql\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    answer = demo.clone.run("make sql SALDO_HOME=data/demo", f".mode csv\n{questions}")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "lumina,pending," in answer.stdout


def test_the_documentation_is_written(demo: Demo) -> None:
    done = demo.clone.run("make docs")
    assert done.returncode == 0, done.stderr
    assert (demo.clone.folder / "data" / "docs" / "static_index.html").exists()


@pytest.fixture(scope="module")
def browser_page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        page = browser.new_context(
            locale="en-US", viewport={"width": 1600, "height": 1000}
        ).new_page()
        page.set_default_timeout(300_000)
        expect.set_options(timeout=300_000)
        yield page
        browser.close()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until a server answers; its address."""
    while True:
        assert process.poll() is None, log.read_text()
        try:
            requests.get(address)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return address


def test_the_pages_open_in_a_browser(demo: Demo, browser_page: Page) -> None:
    with demo.clone.running("make pages SALDO_HOME=data/demo") as process:
        port = demo.clone.environment["SALDO_PAGES_PORT"]
        browser_page.goto(_wait_for(f"http://127.0.0.1:{port}", process, demo.clone.log))
        assert browser_page.get_by_role("heading", level=1).inner_text() == "El día 2026-03-04"
        follow(browser_page.get_by_role("link", name="Organizaciones"))
        assert browser_page.get_by_role("row").all_inner_texts()[1:] == [
            "Andes Seguros\t81\t4.233.800 CLP\t2026-03-04\tfalta\t0",
            "Colegio Pehuén\t60\t2.774.100 CLP\t2026-03-04\taplicado\t0",
            "Lumina Energía\t118\t5.556.100 CLP\t2026-03-04\taplicado\t0",
        ]
        follow(browser_page.get_by_role("link", name="English"))
        follow(browser_page.get_by_role("link", name="Customers"))
        assert browser_page.get_by_label("Organization").locator("option").all_inner_texts() == [
            "Choose one",
            "Lumina Energía (lumina)",
            "Andes Seguros (andes_seguros)",
            "Colegio Pehuén (colegio_pehuen)",
        ]


@pytest.fixture(scope="class")
def address(demo: Demo) -> Iterator[str]:
    with demo.clone.running("make dev SALDO_HOME=data/demo") as process:
        address = f"http://127.0.0.1:{demo.clone.environment['SALDO_UI_PORT']}"
        yield _wait_for(address, process, demo.clone.log)


@pytest.fixture(scope="class")
def page(address: str, browser_page: Page) -> Iterator[Page]:
    """A page of which nothing is refused, and which asks nobody but this machine."""
    refused: list[str] = []
    elsewhere: list[str] = []
    browser_page.on(
        "response",
        lambda said: refused.append(said.url) if said.status >= 400 else None,
    )
    browser_page.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith((address, "data:", "blob:"))
            else elsewhere.append(asked.url)
        ),
    )
    yield browser_page
    assert (refused, elsewhere) == ([], [])


class TestUserInterface:
    """`make dev`, used in a browser through its guard."""

    def test_nothing_is_warned_of_when_it_starts(self, demo: Demo, address: str) -> None:
        command, *said = demo.clone.log.read_text().splitlines()
        assert command == "python -m orchestration webserver --with-daemon"
        assert said[:2] == ["loading what Dagster shows", address]

    def test_the_lineage_shows_every_room_and_nobody_is_invited(
        self, address: str, page: Page
    ) -> None:
        page.goto(f"{address}/asset-groups")
        for room in ("outside", "raw", "staging", "intermediate", "marts", "exports", "outbox"):
            expect(page.get_by_text(room, exact=True).first).to_be_visible()
        expect(
            page.get_by_role("button", name=re.compile(r"Materialize all \(\d+\)"))
        ).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)

    def test_an_asset_tells_what_it_is_and_its_checks_have_passed(
        self, address: str, page: Page
    ) -> None:
        page.goto(f"{address}/assets/debts")
        expect(page.get_by_text("One row per organization, customer, product")).to_be_visible()
        page.goto(f"{address}/assets/debts?view=checks")
        expect(page.get_by_text("Checks (8)")).to_be_visible()
        expect(page.get_by_text("no_paid_debt_can_be_charged").first).to_be_visible()
        expect(page.get_by_text("Succeeded", exact=True)).to_have_count(8)

    def test_a_run_that_an_operator_starts_succeeds(self, address: str, page: Page) -> None:
        page.goto(f"{address}/assets/published/analytics")
        page.get_by_role("button", name="Materialize…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Latest").click()
        dialog.get_by_role("button", name="Launch 1 run").click()
        page.get_by_text("View", exact=True).click()
        page.wait_for_url("**/runs/*")
        expect(page.get_by_text("Success", exact=True).first).to_be_visible()


@pytest.fixture(scope="module")
def inhabited(
    demo: Demo, sftp_server: LoopbackServer, tmp_path_factory: pytest.TempPathFactory
) -> Demo:
    """The clone as somebody has set it up: contracts, secrets, and files in the inboxes."""
    folder = demo.clone.folder
    home, secrets = installation.make(tmp_path_factory.mktemp("made") / "home", sftp_server)
    installation.upload(home, sftp_server.root, DAYS[0])
    (folder / "seeds" / "organizations.csv").write_bytes(
        (home.seeds / "organizations.csv").read_bytes()
    )
    assert demo.clone.run("cp .env.example .env").returncode == 0
    kept = {name: value for name, value in secrets.items() if name.startswith("SFTP_")}
    lines = [
        line
        for line in (folder / ".env").read_text("utf-8").splitlines()
        if line.partition("=")[0] not in kept
    ]
    lines += [f"{name}={value}" for name, value in kept.items()]
    (folder / ".env").write_text("\n".join(lines) + "\n", "utf-8")
    return demo


SETTING_UP = ". .venv/bin/activate; set -a; . ./.env; set +a\n"


def test_a_day_is_run_for_real_and_read(inhabited: Demo) -> None:
    clone = inhabited.clone
    done = clone.run(f"{SETTING_UP} make run DATE=2026-03-02")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines() if " applied " in line] == [
        "andes_seguros",
        "colegio_pehuen",
        "lumina",
    ]
    read = clone.run(
        f"{SETTING_UP}"
        'duckdb -readonly data/analytics.duckdb "select status, count(*) from debts group by all"'
    )
    assert (read.returncode, read.stderr) == (0, "")
    assert "pending" in read.stdout
    reported = clone.run(f"{SETTING_UP}make report DATE=2026-03-02")
    assert (reported.returncode, reported.stderr) == (0, "")
    report = clone.folder / "data" / "reports" / "2026-03-02.html"
    assert reported.stdout.splitlines()[-1] == str(report)
    assert "Lumina Energía" in report.read_text("utf-8")
    # What today brings depends on the hour: files that are missing end make with 2.
    today = clone.run(f"{SETTING_UP}make run")
    assert (today.returncode in {0, 2}, "Traceback" in today.stderr) == (True, False)
    for command, statuses, said in (
        ("python -m orchestration held", {0}, ""),
        ("python -m orchestration check lumina", {0, 1}, "lumina"),
        ("python -m orchestration check --offline", {0}, ""),
        ("python -m orchestration replay --help", {0}, "Usage: python -m orchestration replay"),
    ):
        done = clone.run(f"{SETTING_UP}{command}")
        assert (done.returncode in statuses, done.stderr) == (True, "")
        assert said in done.stdout


def test_a_server_is_installed_and_asked_to_run_past_dates(inhabited: Demo, tmp_path: Path) -> None:
    clone = inhabited.clone
    places = {
        "/opt/saldo": str(clone.folder),
        "/etc/saldo": str(tmp_path),
        "/var/lib/saldo": str(tmp_path / "kept"),
    }

    def put(text: str) -> str:
        for place, here in places.items():
            text = text.replace(place, here)
        return text

    template = (PROJECT / "docs" / "deploy" / "environment").read_text("utf-8")
    assert "PYTHONPATH" not in template
    (tmp_path / "environment").write_text(put(template), "utf-8")
    (where,) = clone.folder.glob(".venv/lib/python3*/site-packages/saldo.pth")
    where.unlink()
    done = clone.run(
        put(
            "set -e\n"
            "cd /opt/saldo\n"
            'pwd > "$(echo .venv/lib/python3*/site-packages)/saldo.pth"\n'
            "mkdir -p /etc/saldo/seeds /etc/saldo/keys\n"
            "cp seeds/*.csv /etc/saldo/seeds\n"
            "sed -i '2,$d' /etc/saldo/seeds/organizations.csv\n"
            "sed -i '/^andes_seguros,/d' /etc/saldo/seeds/column_aliases.csv\n"
            "touch /etc/saldo/known_hosts\n"
            "set -a; . /etc/saldo/environment; set +a\n"
            "python -m orchestration check --offline\n"
            "python -m orchestration.home\n"
            "dagster instance migrate\n"
            "dagster job backfill --job business_date --from 2026-03-02 --to 2026-03-31 --noprompt"
        )
    )
    assert done.returncode == 0, done.stderr
    assert where.read_text() == f"{clone.folder}\n"
    assert (tmp_path / "kept" / "dagster" / "event_log.db").exists()
