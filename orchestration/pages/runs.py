"""The loads and the runs that carried them: what each took, how it ended, its page in Dagster."""

from __future__ import annotations

import os
from collections import defaultdict

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.installation.home import Home
from orchestration.landing import manifests
from orchestration.landing.manifests import Manifest
from orchestration.pages import dagster_runs
from orchestration.pages.dagster_runs import Run, UnreadableRunsError
from orchestration.pages.languages import marked as _
from orchestration.pages.page import Page, home_of, render
from orchestration.pages.published import opened
from orchestration.pages.queries import loads

_PATH = "/runs"
_MOST_LANDED = 10
_ENDED_WELL = "SUCCESS"


def show(request: Request) -> Response:
    """The newest loads, or the one in the address."""
    home = home_of(request)
    load_id = _read_load_id(request.query_params.get("load", ""))
    with opened(home) as reader:
        listed = loads.list_loads(reader, load_id)
        newest = loads.find_newest(reader)
    trouble, runs = None, []
    try:
        runs = dagster_runs.read_runs()
    except UnreadableRunsError as error:
        trouble = str(error)
    runs_of: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        if run.load_id is not None:
            runs_of[run.load_id].append(run)
    return render(
        request,
        "runs.html",
        load_id=load_id,
        loads=listed,
        landed=_read_landed(home, newest) if load_id is None else [],
        runs_of=runs_of,
        loose=[
            run
            for run in runs
            if load_id is None and run.load_id is None and run.status != _ENDED_WELL
        ],
        trouble=trouble,
        most_runs=dagster_runs.MOST_RUNS,
        has_all_runs=len(runs) < dagster_runs.MOST_RUNS,
        interface=dagster_runs.find_user_interface(os.environ),
        most=loads.MOST_LOADS,
    )


def _read_load_id(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004 (of ours: fewer)
        raise HTTPException(404, _("There is no such load."))
    return int(text)


def _read_landed(home: Home, newest: int) -> list[Manifest]:
    """The newest loads that have landed and that no run has published, the newest first."""
    waiting = [each for each in manifests.load_ids(home) if each > newest]
    read = (manifests.read_manifest(home, each) for each in waiting[: -_MOST_LANDED - 1 : -1])
    return [manifest for manifest in read if manifest is not None]


PAGE = Page(title=_("Runs"), path=_PATH, routes=(Route(_PATH, show, methods=["GET"]),))
