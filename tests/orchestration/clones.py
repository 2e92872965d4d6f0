"""A fresh clone: what git has of the project, and no variable of whoever runs the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestration.installation.home import PROJECT

_BIN = Path(sys.prefix) / "bin"


@dataclass(frozen=True)
class Clone:
    """A clone, and a shell in it.

    Args:
        folder: the files that git has.
        log: what servers say that were started in it.
        environment: PATH, HOME, and the ports of servers, as the tests of others may run meanwhile.

    """

    folder: Path
    log: Path
    environment: dict[str, str]

    def run(self, script: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Give commands to the shell and wait; `said` is the standard input."""
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            input=said,
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def running(self, script: str) -> Iterator[subprocess.Popen[bytes]]:
        """Give a command that serves, and end it as Ctrl+C does."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {script}"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait()


def make_clone(root: Path, ports: dict[str, int]) -> Clone:
    """Copy what git has, and lend the packages that are installed here.

    What sets the project up finds them installed, and looks at each; else it would install them.

    Args:
        root: an empty folder.
        ports: the variables that name them.

    """
    folder, home = root / "saldo", root / "user"
    home.mkdir()
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        if (PROJECT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    _lend_packages(folder / ".venv")
    paths = [path for path in os.environ["PATH"].split(os.pathsep) if Path(path) != _BIN]
    return Clone(
        folder,
        root / "server.log",
        {
            # The Python that this one was made of comes first, for its packages to fit.
            "PATH": os.pathsep.join([str(Path(sys.base_prefix) / "bin"), *paths]),
            "HOME": str(home),
            **{name: str(port) for name, port in ports.items()},
        },
    )


def _lend_packages(environment: Path) -> None:
    """Link the packages and copy their commands; neither pip nor where the project is."""
    packages = next(Path(sys.prefix).glob("lib/python3*/site-packages"))
    shutil.copytree(
        packages,
        environment / packages.relative_to(sys.prefix),
        copy_function=_link,
        ignore=shutil.ignore_patterns("saldo.pth", "pip", "pip-*.dist-info"),
    )
    (environment / "bin").mkdir()
    for command in _BIN.iterdir():
        if command.is_file() and not command.name.lower().startswith(("python", "activate", "pip")):
            content = command.read_bytes()
            if content.startswith(b"#!"):
                content = content.replace(os.fsencode(_BIN), os.fsencode(environment / "bin"), 1)
            target = environment / "bin" / command.name
            target.write_bytes(content)
            shutil.copymode(command, target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
