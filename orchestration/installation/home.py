"""The folders of an installation: those below SALDO_HOME, and the contracts in SALDO_SEEDS."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestration.installation import access
from orchestration.installation.errors import WrongUseError
from orchestration.installation.messages import warn_operator

PROJECT = Path(__file__).resolve().parents[2]
# A home has one of these from its first moment on, or had it before: events, contracts or Dagster's
# settings may come first, or what dbt makes. Hidden files are of the user or of git.
_OURS = {"dagster", "events", "landing", "logs", "run.lock", "seeds", "target", "warehouse.duckdb"}
_OF_THE_DISK = {"lost+found"}
# In a fresh clone it has the demo's home alone.
_DEFAULT = "data"


class NoHomeError(WrongUseError):
    """SALDO_HOME names what cannot be a home, or is of something else."""


@dataclass(frozen=True)
class Home:
    """The folders of one installation.

    Args:
        root: SALDO_HOME, everything that is stored.
        seeds: SALDO_SEEDS, the folder of the contracts.

    """

    root: Path
    seeds: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Home:
        """Read SALDO_HOME (default `data`) and SALDO_SEEDS (default `seeds`) of the project."""
        root, seeds = (
            (PROJECT / os.path.expanduser(environment.get(name) or default)).resolve()  # noqa: PTH111 (an unknown user is no error)
            for name, default in (("SALDO_HOME", _DEFAULT), ("SALDO_SEEDS", "seeds"))
        )
        return cls(root, seeds)

    @property
    def warehouse(self) -> Path:
        """The writer's database: what has landed, and the models between that and the marts."""
        return self.root / "warehouse.duckdb"

    @property
    def marts(self) -> Path:
        """The writer's other database: the tables that are published. Both belong together."""
        return self.root / "marts.duckdb"

    @property
    def analytics(self) -> Path:
        """The published copy that analysts read (R28)."""
        return self.root / "analytics.duckdb"

    @property
    def landing(self) -> Path:
        """Raw files by organization and sha256, and the manifests of the loads."""
        return self.root / "landing"

    @property
    def rows(self) -> Path:
        """The rows of the files that landed, derived from their bytes (R31)."""
        return self.landing / "_rows"

    @property
    def events(self) -> Path:
        """Payment events, `*.jsonl`, written by the payment processors."""
        return self.root / "events"

    @property
    def decisions(self) -> Path:
        """Operators' decisions about held files that no load has taken yet."""
        return self.root / "decisions"

    @property
    def uploads(self) -> Path:
        """Uploaded workbooks of customers, by organization, that no load has taken yet."""
        return self.root / "uploads"

    @property
    def outbox(self) -> Path:
        """The published payments files, by organization."""
        return self.root / "outbox"

    @property
    def reports(self) -> Path:
        """The reports of business dates, a file each."""
        return self.root / "reports"

    @property
    def erasure(self) -> Path:
        """The persons of an unfinished erasure."""
        return self.root / "erasure.json"

    @property
    def set_aside(self) -> Mapping[Path, Path]:
        """Where the databases of the writer are moved while the landing area is replayed.

        The warehouse comes first: marts without a warehouse are of no load.
        """
        return {
            path: path.with_name(f"{path.stem}.before_replay.duckdb")
            for path in (self.warehouse, self.marts)
        }

    @property
    def spark(self) -> Path:
        """The tables of Apache Spark and their catalog, where it builds the models (R33)."""
        return self.root / "spark"

    @property
    def spark_session(self) -> Path:
        """The session with a Spark Connect server that has not been ended."""
        return self.root / "spark_session.json"

    @property
    def scratch(self) -> Path:
        """Files that may be deleted whenever nothing runs."""
        return self.root / "tmp"

    @property
    def verifying(self) -> Home:
        """Where `verify` builds everything once more."""
        return Home(self.scratch / "verifying", self.seeds)

    @property
    def dagster(self) -> Path:
        """Dagster's storage: runs, events, schedules."""
        return self.root / "dagster"

    def environment(self) -> dict[str, str]:
        """Return the variables that point dbt, Dagster and their children to this home."""
        return {
            "SALDO_HOME": str(self.root),
            "SALDO_SEEDS": str(self.seeds),
            "DAGSTER_HOME": str(self.dagster),
            "DBT_TARGET_PATH": str(self.root / "target"),
            "DBT_LOG_PATH": str(self.root / "logs"),
            # Logging every statement to dbt.log, too, would take a twelfth of a small build.
            "DBT_LOG_LEVEL_FILE": "info",
            "DBT_PROFILES_DIR": str(PROJECT),
        }

    def create(self) -> None:
        """Create missing folders, and Dagster's settings if there are none.

        Only this user can read them. A home that others can read is closed, and this is reported.

        Raises:
            ForeignHomeError: the home belongs to another user.
            NoHomeError: the folder is of something else, or cannot be one.

        """
        try:
            self._create()
        except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
            raise NoHomeError(
                f"{error.filename} is no folder and cannot be one: name another with SALDO_HOME"
            ) from None
        except PermissionError as error:
            raise access.ForeignHomeError(
                f"{error.filename} belongs to another user: run Saldo as the user of {self.root},"
                " or name another folder with SALDO_HOME"
            ) from None

    def _create(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in self.root.iterdir()} - _OF_THE_DISK
        if PROJECT.is_relative_to(self.root) and "landing" not in names:
            raise NoHomeError(
                f"{self.root} has the program in it: name a folder of its own with SALDO_HOME"
            )
        is_foreign = any(not name.startswith(".") for name in names) and names.isdisjoint(_OURS)
        if is_foreign and self.root != (PROJECT / _DEFAULT).resolve():
            raise NoHomeError(
                f"{self.root} has files, and none of Saldo: name a new or empty folder, or a home,"
                " with SALDO_HOME"
            )
        access.close(self.root, self.analytics, warn_operator)
        for folder in (
            self.landing / "_loads",
            self.events,
            self.uploads,
            self.decisions,
            self.outbox,
            self.scratch,
            self.dagster / "history",
        ):
            folder.mkdir(parents=True, exist_ok=True)
        # Dagster creates this file before it imports our code, which sets the umask.
        runs = self.dagster / "history" / "runs.db"
        if not runs.exists():
            runs.touch()
        settings = self.dagster / "dagster.yaml"
        if not settings.exists():
            shutil.copyfile(PROJECT / "orchestration" / "dagster.yaml", settings)
