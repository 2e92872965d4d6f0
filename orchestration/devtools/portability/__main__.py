"""Name each place in the project's SQL that is not the same on both engines (R33).

`python -m orchestration.devtools.portability` ends with status 1 if there is one. The compiled SQL
stays in `target/portability`: the lines are of its files.
"""

from __future__ import annotations

import shutil
import sys

from orchestration.devtools.portability.compiling import TARGETS, compile_models
from orchestration.devtools.portability.files import find_in_compiled, find_in_sources
from orchestration.installation.home import PROJECT


def main() -> int:
    """Check the project's files, and what they compile to for each engine."""
    root = PROJECT / "target" / "portability"
    shutil.rmtree(root, ignore_errors=True)
    found = list(find_in_sources(PROJECT))
    for engine in TARGETS:
        folders = compile_models(engine, root / engine)
        found += find_in_compiled(folders, engine)
    for path, fault in found:
        place = path.relative_to(PROJECT)
        sys.stdout.write(f"{place}:{fault.line}: {fault.rule}: {fault.message}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
