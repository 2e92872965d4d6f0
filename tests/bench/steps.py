"""What each step of Saldo's newest run took, from what the run left behind.

`python -m tests.bench.steps HOME SECONDS` prints seconds by step as JSON. dbt runs three
nodes at a time, so the seconds of its nodes add up to more than passed on the clock.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

SLOWEST = 8
# How dagster-dbt names the time of a node.
_SECONDS = "Execution Duration"


def read_steps(home: Path, seconds: float) -> dict[str, float]:
    """Seconds by step of the newest run in a home.

    Args:
        home: SALDO_HOME.
        seconds: what the whole run took on the wall.

    """
    with dg.DagsterInstance.get() as instance:
        run = instance.get_runs(limit=1)[0]
        stats = {each.step_key: each for each in instance.get_run_step_stats(run.run_id)}
        seconds_of = dict(_read_nodes(instance.all_logs(run.run_id)))
    took = {key: (each.end_time or 0) - (each.start_time or 0) for key, each in stats.items()}
    manifest = max((home / "landing" / "_loads").glob("*.json"))
    taken = manifest.stat().st_mtime - (stats["load"].start_time or 0)
    tests = {name: spent for name, spent in seconds_of.items() if name.startswith("test.")}
    models = {name: spent for name, spent in seconds_of.items() if name not in tests}
    steps = {
        "download and verify": taken,
        "load into raw": took["load"] - taken,
        "dbt build": took["models"],
        "deliver": took["outbox__files"],
        "publish": took["published__analytics"],
        "report": took["published__report"],
        "start-up and report": seconds - sum(took.values()),
        f"of dbt build: {len(tests)} tests (three at a time)": sum(tests.values()),
        f"of dbt build: {len(models)} models (three at a time)": sum(models.values()),
    }
    slowest = [
        name
        for each in (models, tests)
        for name in sorted(each, key=each.__getitem__, reverse=True)[:SLOWEST]
    ]
    return steps | {f"of dbt build: {name.split('.')[2]}": seconds_of[name] for name in slowest}


def _read_nodes(entries: Sequence[dg.EventLogEntry]) -> Iterator[tuple[str, float]]:
    """Each node that dbt worked at, as dagster-dbt notes it, and its seconds."""
    for entry in entries:
        event = entry.get_dagster_event() if entry.is_dagster_event else None
        if event is None:
            continue
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            metadata = event.asset_check_evaluation_data.metadata
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            metadata = event.materialization.metadata
        else:
            continue
        if _SECONDS in metadata:
            yield str(metadata["unique_id"].value), float(metadata[_SECONDS].value)


if __name__ == "__main__":
    print(json.dumps(read_steps(Path(sys.argv[1]), float(sys.argv[2]))))  # noqa: T201
