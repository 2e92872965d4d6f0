"""Erases customers of an organization and kills the process at a named step.

Not a test: test_erasure.py starts it. `python -m tests.orchestration.erasing STEP ORGANIZATION
CUSTOMER_ID...`
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from click.testing import CliRunner

from orchestration.__main__ import main as command

# For each step: the function, whether death comes before or after it did its work, and at which
# of its calls.
STEPS: dict[str, tuple[str, str, int]] = {
    "before the request is written": ("orchestration.privacy.erasure:_write", "before", 1),
    "before the plan": ("orchestration.privacy.erasure:_plan", "before", 1),
    "within the plan": ("orchestration.landing.store:keep_anew", "after", 2),
    "before the plan is written": ("orchestration.privacy.erasure:_write", "before", 1),
    "before the manifests": ("orchestration.privacy.erasure:_rewrite", "before", 1),
    "between the manifests": ("orchestration.landing.manifests:write_manifest", "after", 1),
    "between the files of events": ("orchestration.privacy.erasure:_blank", "after", 2),
    "before the record": ("orchestration.landing.manifests:write_erasure", "before", 1),
    "before the former bytes are deleted": (
        "orchestration.landing.store:remove_unnamed",
        "before",
        1,
    ),
    "after the former bytes are deleted": (
        "orchestration.landing.store:remove_unnamed",
        "after",
        1,
    ),
    "before it is noted that the former warehouse is away": (
        "orchestration.privacy.erasure:_write",
        "before",
        1,
    ),
    "before the warehouse is built": ("orchestration.runs:_run", "before", 1),
    "while the warehouse is built": (
        "orchestration.installation.warehouse:finish_load",
        "after",
        2,
    ),
    "after the former warehouse is deleted": (
        "orchestration.privacy.erasure:_forget_former",
        "after",
        1,
    ),
}


def arm(step: str) -> None:
    """Have this process die at a step, as by `kill -9`."""
    place, when, call = STEPS[step]
    module_name, _, name = place.partition(":")
    module = importlib.import_module(module_name)
    act: Callable[..., Any] = getattr(module, name)
    calls = 0

    def mortal(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = act(*arguments, **options)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, name, mortal)


def main() -> None:
    """Erase, and die."""
    step, *arguments = sys.argv[1:]
    arm(step)
    result = CliRunner().invoke(command, ["erase", *arguments])
    sys.stdout.write(result.output)
    sys.exit(result.exit_code)


if __name__ == "__main__":
    main()
