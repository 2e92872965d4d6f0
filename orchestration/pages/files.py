"""What became of a file; and of a held one the decision, which is noted and then carried out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.locking import holder
from orchestration.intake import decisions
from orchestration.pages import guards
from orchestration.pages.charts import Chart, Series, draw_columns, draw_rows
from orchestration.pages.languages import marked as _
from orchestration.pages.languages import translate
from orchestration.pages.page import FILE_ID, Page, home_of, render, writing_of
from orchestration.pages.published import opened
from orchestration.pages.queries import files
from orchestration.pages.queries.files import FormerFile, ReceivedFile

_PATH = "/files"
# What a file does to debts, with the color of each.
_CHANGES = {
    "new": (_("New debts"), 3),
    "changed": (_("Changed debts"), 2),
    "unchanged": (_("Unchanged debts"), 6),
    "withdrawn": (_("Withdrawn debts"), 4),
    "kept_in_process": (_("Kept in process"), 1),
    "kept_rejected_row": (_("Kept, because their row was refused"), 5),
}


def show_list(request: Request) -> Response:
    """The files received last."""
    organization_id = request.query_params.get("organization", "")
    with opened(home_of(request)) as reader:
        found = files.list_files(reader, organization_id)
    return render(
        request,
        "files.html",
        files=found,
        organization_id=organization_id,
        most=files.MOST_FILES,
    )


def show(request: Request) -> Response:
    """A file: its verdict, the figures that balance, its refused rows; what a held one would do."""
    file_id = request.path_params["file_id"]
    with opened(home_of(request)) as reader:
        file = files.read_file(reader, file_id) if FILE_ID.fullmatch(file_id) else None
        if file is None:
            raise HTTPException(404, _("There is no such file."))
        context: dict[str, Any] = {
            "codes": files.count_refusals(reader, file_id),
            "refusals": files.read_refusals(reader, file_id),
            "sizes": _draw_sizes(request, files.read_former(reader, file)),
            "base": files.read_base(reader, file),
            "columns": files.read_columns(reader, file_id),
            "differences": files.read_differences(reader, file_id),
            "withdrawals": files.read_withdrawals(reader, file_id),
            "answers": files.read_answers(reader, file),
        }
    is_held = file.status == "held"
    return render(
        request,
        "file.html",
        file=file,
        changes={change: name for change, (name, _color) in _CHANGES.items()},
        difference=_draw_difference(request, file) if _has_difference(file) else None,
        decision=decisions.find(home_of(request), file_id) if is_held else None,
        holder=holder(home_of(request)) if is_held else None,
        is_at_work=request.app.state.decider.is_at_work,
        trouble=request.app.state.decider.trouble(partial(translate, request)),
        **context,
    )


def download(request: Request) -> Response:
    """The answer to a file, with the bytes that its organization finds in the outbox (R19)."""
    home, kind = home_of(request), request.path_params["kind"]
    file_id = request.path_params["file_id"]
    with opened(home) as reader:
        file = files.read_file(reader, file_id) if FILE_ID.fullmatch(file_id) else None
    if file is None or kind not in ("result", "summary"):
        raise HTTPException(404, _("There is no such file."))
    parts = _read_answer(home, kind, file_id)
    # What is wrong with the copy is found out before the answer begins.
    first = next(parts, "")
    name = quote(f"{file.file_name}.{kind}.csv", safe="")
    return StreamingResponse(
        chain([first], parts),
        media_type="text/csv",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


def _read_answer(home: Home, kind: str, file_id: str) -> Iterator[str]:
    with opened(home) as reader:
        yield from files.read_answer_lines(reader, kind, file_id)


async def decide(request: Request) -> Response:
    """Note a decision on a held file, and have it carried out."""
    home = home_of(request)
    async with request.form(max_files=0, max_fields=5) as form:
        guards.check_form(request, form)
        decision = str(form.get("decision", ""))
    file_id = request.path_params["file_id"]
    if decision not in (decisions.APPROVED, decisions.REFUSED):
        raise HTTPException(400, _("Approve the file or refuse it."))
    if not FILE_ID.fullmatch(file_id):
        raise HTTPException(404, _("There is no such file."))
    await run_in_threadpool(_note, home, file_id, decision)
    request.app.state.decider.start(file_id)
    return RedirectResponse(f"{_PATH}/{file_id}", HTTPStatus.SEE_OTHER)


def _note(home: Home, file_id: str, decision: str) -> None:
    with opened(home) as reader:
        if files.read_file(reader, file_id) is None:
            raise HTTPException(404, _("There is no such file."))
        try:
            decisions.check_held(reader.connection, file_id)
        except ToldError as error:
            raise HTTPException(409, str(error)) from error
        decisions.decide(home, file_id, decision, datetime.now(UTC))


def _has_difference(file: ReceivedFile) -> bool:
    """Whether the file was compared with the base: of others no difference is kept."""
    return file.kind == "invoices" and file.status in ("held", "applied")


def _draw_difference(request: Request, file: ReceivedFile) -> Chart:
    """What a debts file does to the base, or would do."""
    counts = {
        "new": file.new_count,
        "changed": file.changed_count,
        "unchanged": file.unchanged_count,
        "withdrawn": file.withdrawn_count,
        "kept_in_process": file.kept_in_process_count,
    }
    return draw_rows(
        [translate(request, _CHANGES[change][0]) for change in counts],
        Series(translate(request, _("Debts")), 1, [count or 0 for count in counts.values()]),
        writing_of(request).count,
        colors=[_CHANGES[change][1] for change in counts],
    )


def _draw_sizes(request: Request, former: list[FormerFile]) -> Chart:
    """How many rows the organization's files had, the file at hand last."""
    return draw_columns(
        [file.business_date.isoformat() for file in former],
        [
            Series(
                translate(request, _("Accepted rows")), 1, [f.accepted_count or 0 for f in former]
            ),
            Series(
                translate(request, _("Refused rows")), 4, [f.rejected_count or 0 for f in former]
            ),
        ],
        writing_of(request).count,
    )


PAGE = Page(
    title=_("Files"),
    path=_PATH,
    routes=(
        Route(_PATH, show_list, methods=["GET"]),
        Route(f"{_PATH}/{{file_id}}", show, methods=["GET"]),
        Route(f"{_PATH}/{{file_id}}/{{kind}}.csv", download, methods=["GET"]),
        Route(f"{_PATH}/{{file_id}}/decision", decide, methods=["POST"]),
    ),
)
