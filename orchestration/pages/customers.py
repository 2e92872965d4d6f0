"""The page where an operator uploads customers, sees what a workbook would do and says yes."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from orchestration.contracts.organizations import (
    Organization,
    read_column_aliases,
    read_organizations,
)
from orchestration.formats import workbook_files, workbook_template
from orchestration.installation import whole_files
from orchestration.installation.home import Home
from orchestration.intake import trying, uploads
from orchestration.landing import manifests
from orchestration.pages import guards, previews
from orchestration.pages.languages import marked as _
from orchestration.pages.languages import translate
from orchestration.pages.page import FILE_ID, Page, find_organization, home_of, render
from orchestration.pages.published import NotPublishedError, opened
from orchestration.pages.queries import loads
from orchestration.pages.queries import uploads as queries
from orchestration.pages.queries.uploads import Refusal, UploadedFile

_PATH = "/customers"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}")
_KEPT_SECONDS = 3600
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# One preview after another: each takes the machine for some seconds.
_one_at_a_time = threading.Lock()


async def show_form(request: Request) -> Response:
    """The form, and what was uploaded before."""
    home = home_of(request)
    forget_old(home)
    trying.prepare(home)
    organizations = read_organizations(home.seeds)
    loaded = await run_in_threadpool(_list_uploads, home)
    return render(
        request,
        "customers.html",
        organizations=organizations,
        waiting=uploads.read_waiting(home, organizations),
        loaded=loaded[: queries.MOST_UPLOADS],
        most_loaded=queries.MOST_UPLOADS,
        has_all_loaded=len(loaded) <= queries.MOST_UPLOADS,
        most_megabytes=workbook_files.LARGEST_FILE_BYTES // 1_000_000,
    )


async def send_template(request: Request) -> Response:
    """The empty workbook of an organization."""
    organization = find_organization(home_of(request).seeds, request.path_params["organization_id"])
    content = await run_in_threadpool(workbook_template.write_template, organization)
    name = f"clientes_{organization.organization_id}.xlsx"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=_XLSX, headers=headers)


async def make_preview(request: Request) -> Response:
    """Take a workbook, and show what it would do."""
    home = home_of(request)
    async with request.form(max_files=1, max_fields=10) as form:
        guards.check_form(request, form)
        organization = find_organization(home.seeds, str(form.get("organization_id", "")))
        file = form.get("workbook")
        if not isinstance(file, UploadFile) or not file.filename:
            raise HTTPException(400, _("Choose a workbook, then ask for the preview."))
        token = secrets.token_urlsafe(32)
        await run_in_threadpool(_keep_preview, home, organization, file, token)
    return RedirectResponse(f"{_PATH}/previews/{token}", HTTPStatus.SEE_OTHER)


async def show_preview(request: Request) -> Response:
    """What a workbook would do, row by row."""
    kept = _read_kept(home_of(request), request.path_params["token"])
    return render(
        request,
        "preview.html",
        token=request.path_params["token"],
        **kept,
    )


async def confirm(request: Request) -> Response:
    """Hand a previewed workbook over, and have it loaded."""
    home = home_of(request)
    async with request.form() as form:
        guards.check_form(request, form)
    token = request.path_params["token"]
    kept = _read_kept(home, token)
    organization = find_organization(home.seeds, kept["organization_id"])
    folder = _folder(home, token)
    # Whoever clicks twice finds it gone the second time.
    taken = folder.with_name(f".{token}.taken")
    try:
        folder.rename(taken)
    except FileNotFoundError:
        raise _preview_is_gone() from None
    try:
        upload = await run_in_threadpool(
            uploads.put,
            home,
            organization,
            taken / "workbook.xlsx",
            kept["file_name"],
            datetime.now(UTC),
        )
    except Exception:
        # It can be confirmed again.
        taken.rename(folder)
        raise
    shutil.rmtree(taken)
    request.app.state.loader.start(upload.file_id)
    return RedirectResponse(f"{_PATH}/uploads/{upload.file_id}", HTTPStatus.SEE_OTHER)


async def show_upload(request: Request) -> Response:
    """What became of an upload; asks again by itself while it waits."""
    home = home_of(request)
    forget_old(home)
    file_id = request.path_params["file_id"]
    if not FILE_ID.fullmatch(file_id):
        raise HTTPException(404, _("There is no such upload."))
    file, refusals = await run_in_threadpool(_read_upload, home, file_id)
    waiting = uploads.read_waiting(home, read_organizations(home.seeds))
    loader = request.app.state.loader
    is_waiting = any(upload.file_id == file_id for upload in waiting)
    if not (
        file
        or is_waiting
        or loader.is_started_for(file_id)
        or await run_in_threadpool(_has_landed, home, file_id)
    ):
        raise HTTPException(404, _("There is no such upload."))
    return render(
        request,
        "upload.html",
        file=file,
        refusals=refusals,
        is_at_work=loader.is_at_work,
        has_failed=loader.has_failed,
        trouble=loader.trouble(partial(translate, request)),
    )


def _keep_preview(home: Home, organization: Organization, file: UploadFile, token: str) -> None:
    """Store a workbook and its preview until it is confirmed or forgotten."""
    forget_old(home)
    part = _folder(home, token).with_name(f".{token}.part")
    part.mkdir(parents=True)
    try:
        with (part / "workbook.xlsx").open("wb") as target:
            shutil.copyfileobj(file.file, target)
        with _one_at_a_time:
            preview = previews.make_preview(
                home,
                organization,
                read_column_aliases(home.seeds),
                part / "workbook.xlsx",
                datetime.now(UTC),
            )
        kept = {
            "organization_id": organization.organization_id,
            "file_name": file.filename,
            "preview": asdict(preview),
        }
        whole_files.write_whole(part / "preview.json", json.dumps(kept).encode())
        part.rename(_folder(home, token))
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _read_kept(home: Home, token: str) -> dict[str, Any]:
    if not _TOKEN.fullmatch(token):
        raise _preview_is_gone()
    forget_old(home)
    try:
        text = (_folder(home, token) / "preview.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _preview_is_gone() from None
    kept: dict[str, Any] = json.loads(text)
    return kept


def _preview_is_gone() -> HTTPException:
    return HTTPException(
        404, _("This preview is gone: it was confirmed, or it is older than an hour.")
    )


def _folder(home: Home, token: str) -> Path:
    return home.scratch / "previews" / token


def forget_old(home: Home) -> None:
    """Delete previews that nobody confirmed within an hour: they hold names and mails."""
    for folder in (home.scratch / "previews").glob("*"):
        # Another request may delete it, or confirm it.
        with suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _list_uploads(home: Home) -> list[UploadedFile]:
    with suppress(NotPublishedError), opened(home) as reader:
        return queries.list_uploads(reader)
    return []


def _read_upload(home: Home, file_id: str) -> tuple[UploadedFile | None, list[Refusal]]:
    with suppress(NotPublishedError), opened(home) as reader:
        return queries.read_upload(reader, file_id), queries.read_refusals(reader, file_id)
    return None, []


def _has_landed(home: Home, file_id: str) -> bool:
    """Whether a load that is not published has a workbook: its run failed, and another goes on."""
    last = 0
    with suppress(NotPublishedError), opened(home) as reader:
        last = loads.find_newest(reader)
    newer = (each for each in manifests.load_ids(home) if each > last)
    return any(
        file.file_id == file_id
        for manifest in (manifests.read_manifest(home, load_id) for load_id in newer)
        if manifest is not None
        for file in manifest.files
    )


PAGE = Page(
    title=_("Customers"),
    path=_PATH,
    routes=(
        Route(_PATH, show_form, methods=["GET"]),
        Route(_PATH, make_preview, methods=["POST"]),
        Route(f"{_PATH}/templates/{{organization_id}}.xlsx", send_template, methods=["GET"]),
        Route(f"{_PATH}/previews/{{token}}", show_preview, methods=["GET"]),
        Route(f"{_PATH}/previews/{{token}}", confirm, methods=["POST"]),
        Route(f"{_PATH}/uploads/{{file_id}}", show_upload, methods=["GET"]),
    ),
)
