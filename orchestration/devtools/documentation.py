"""Write dbt's documentation as one file, in SALDO_HOME/docs.

Run it with `python -m orchestration.devtools.documentation`. The column types come from an empty
warehouse that is built for it. The real one is not opened: a run may be using it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from orchestration.installation import warehouse
from orchestration.installation.dbt_project import run_dbt
from orchestration.installation.home import Home


def write(home: Home) -> Path:
    """Build an empty warehouse below a home, and document it in one file.

    Raises:
        subprocess.CalledProcessError: dbt failed; its output is on the terminal.

    """
    home.create()
    empty = Home(home.scratch / "documentation", home.seeds)
    shutil.rmtree(empty.root, ignore_errors=True)
    empty.create()
    with warehouse.connect(empty):
        pass
    kinds = ["--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"]
    run_dbt(empty, "build", "--empty", "--quiet", *kinds)
    run_dbt(empty, "docs", "generate", "--static", "--quiet")
    written = home.root / "docs" / "static_index.html"
    written.parent.mkdir(exist_ok=True)
    (empty.root / "target" / written.name).replace(written)
    shutil.rmtree(empty.root)
    return written


if __name__ == "__main__":
    sys.stdout.write(f"{write(Home.from_environment())}\n")
