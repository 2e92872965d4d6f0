"""What each step of Saldo's newest run took, from what the run left behind.

`python -m tests.bench.steps HOME SECONDS` prints seconds by step as JSON. dbt runs three
nodes at a time, so the seconds of its nodes add up to more than passed on the clock.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import dagster as dg

SLOWEST = 8
HISTORY = "snapshot.saldo.debts_history"


def read_steps(home: Path, seconds: float) -> dict[str, float]:
    """Seconds by step of the newest run in a home.

    Args:
        home: SALDO_HOME.
        seconds: what the whole run took on the wall.

    """
    with dg.DagsterInstance.get() as instance:
        run = instance.get_runs(limit=1)[0]
        stats = {each.step_key: each for each in instance.get_run_step_stats(run.run_id)}
    took = {key: (each.end_time or 0) - (each.start_time or 0) for key, each in stats.items()}
    manifest = max((home / "landing" / "_loads").glob("*.json"))
    taken = manifest.stat().st_mtime - (stats["load"].start_time or 0)
    results = max(
        (home / "target").glob("*/run_results.json"), key=lambda path: path.stat().st_mtime
    )
    nodes = [
        each
        for each in json.loads(results.read_text())["results"]
        if not each["unique_id"].startswith("operation.")
    ]
    seconds_of = {each["unique_id"]: each["execution_time"] for each in nodes}
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
    slowest = sorted(models, key=models.__getitem__, reverse=True)[:SLOWEST]
    return steps | {f"of dbt build: {name.split('.')[-1]}": models[name] for name in slowest}


if __name__ == "__main__":
    print(json.dumps(read_steps(Path(sys.argv[1]), float(sys.argv[2]))))  # noqa: T201
