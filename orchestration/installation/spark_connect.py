"""The session that a run has with a Spark Connect server (`SALDO_TARGET=spark_connect`).

What a run has asked of a server goes on there when the run is killed. So each session is noted in
the home before it begins, and what is left of it is ended before anything else is written there.

It needs PySpark, which is not wherever Saldo is: `spark` imports it where it is wanted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

import grpc
import pyspark
from pyspark.sql.connect.client.core import DefaultChannelBuilder
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc, relations_pb2

from orchestration.installation.home import Home
from orchestration.installation.spark import NoSparkError, no_address, read_address
from orchestration.installation.whole_files import write_whole

# How long a server may take to be reached, to answer, and to end a statement.
REACHED_SECONDS = 20
_ANSWERED_SECONDS = 120
_ENDED_SECONDS = 600
# Whose a session is, where the address names nobody: whoever runs Saldo next must find it.
_USER = "saldo"
# What a server says of a statement that has ended, or of a session that is no longer there.
_ENDED = (
    "OPERATION_CANCELED",
    "INVALID_HANDLE.OPERATION_NOT_FOUND",
    "INVALID_HANDLE.SESSION_",
)


@dataclass(frozen=True)
class _Session:
    """A session.

    Args:
        server: HOST:PORT.
        user_id: whose it is.
        session_id: its name.
        statements: those that were interrupted, and may not have ended.
        is_interrupted: whether it was asked to interrupt its statements: it names each only once.

    """

    server: str
    user_id: str
    session_id: str
    statements: tuple[str, ...] = ()
    is_interrupted: bool = False


def require(address: str, *, asks_worker: bool = True) -> None:
    """Check that it is a server of the version that this project is for, with a worker.

    Args:
        address: as `spark.require_server` takes it.
        asks_worker: whether a worker must have a core that is free.

    Raises:
        NoSparkError: it is no Spark Connect server, wants a login, is of another version, or has no
            worker that takes work.

    """
    builder = _builder(address)
    session = _name_session(builder)
    try:
        with _server(builder, session) as server:
            version = server.version()
            is_ours = _series(version) == _series(pyspark.__version__)
            if is_ours and asks_worker and not server.has_worker():
                # The session expires: it cannot be released before what was interrupted has ended.
                raise NoSparkError(
                    f"no worker takes work from the server at {session.server}"
                    f" (SALDO_SPARK_REMOTE), and none did for {_ANSWERED_SECONDS} seconds: look at"
                    " its master whether workers have a core and memory left, and run again"
                )
            server.release()
    except (grpc.RpcError, grpc.FutureTimeoutError) as error:
        raise NoSparkError(
            f"what is at {session.server} (SALDO_SPARK_REMOTE) does not answer as a Spark Connect"
            f" server that lets Saldo in: start one as docs/scale.md says ({_name(error)})"
        ) from None
    if not is_ours:
        raise NoSparkError(
            f"the server at {session.server} (SALDO_SPARK_REMOTE) has Spark {version}, and rows are"
            f" known to be the same with {_series(pyspark.__version__)} only: start one of that"
            " version as docs/scale.md says"
        )


def begin(home: Home, address: str) -> str:
    """Note a session that is about to begin.

    Returns:
        What makes the address name it, to be put behind it.

    """
    session = _name_session(_builder(address))
    _note(home, session)
    named = f"user_id={session.user_id};session_id={session.session_id}"
    has_path = "/" in address.removeprefix("sc://")
    return f"{'' if address.endswith(';') else ';' if has_path else '/;'}{named}"


def end(home: Home, address: str) -> None:
    """End the session that is noted, and wait until no statement of it is at work.

    Raises:
        NoSparkError: that cannot be done; it stays noted.

    """
    session = _Session(**json.loads(home.spark_session.read_text("utf-8")))
    try:
        builder = _builder(address)
    except NoSparkError:
        raise not_ended(home, "SALDO_SPARK_REMOTE names no server") from None
    if builder.endpoint != session.server:
        raise not_ended(home, f"SALDO_SPARK_REMOTE names {builder.endpoint}")
    try:
        with _server(builder, session) as server:
            _note(home, replace(session, is_interrupted=True))
            left = tuple({*session.statements, *server.interrupt()})
            if session.is_interrupted and not left:
                raise not_ended(home, "it did not say what it had interrupted")
            _note(home, replace(session, statements=left, is_interrupted=True))
            for statement in left:
                server.wait_for(statement)
            _note(home, replace(session, statements=(), is_interrupted=False))
            server.release()
    except (grpc.RpcError, grpc.FutureTimeoutError) as error:
        raise not_ended(home, _name(error)) from None
    home.spark_session.unlink()


def not_ended(home: Home, why: str) -> NoSparkError:
    """What is told where the session that is noted cannot be ended."""
    server = json.loads(home.spark_session.read_text("utf-8"))["server"]
    return NoSparkError(
        f"what a former run asked of the Spark Connect server at {server} may be at work there, and"
        f" cannot be ended ({why}): name that server with SALDO_SPARK_REMOTE; or restart it, unless"
        f" it is gone for good, and delete {home.spark_session}"
    )


class _Server:
    """A server that is asked about one session."""

    def __init__(
        self, channel: grpc.Channel, builder: DefaultChannelBuilder, session: _Session
    ) -> None:
        self._stub = base_pb2_grpc.SparkConnectServiceStub(channel)
        self._metadata = builder.metadata()
        self._who: dict[str, Any] = {
            "session_id": session.session_id,
            "user_context": base_pb2.UserContext(user_id=session.user_id),
        }

    def version(self) -> str:
        asked = base_pb2.AnalyzePlanRequest.SparkVersion()
        request = base_pb2.AnalyzePlanRequest(**self._who, spark_version=asked)
        answer = self._stub.AnalyzePlan(request, _ANSWERED_SECONDS, self._metadata)
        return str(answer.spark_version.version)

    def has_worker(self) -> bool:
        """Return whether a worker makes two rows within the time for an answer."""
        rows = relations_pb2.Relation(range=relations_pb2.Range(start=0, end=2, step=1))
        plan = base_pb2.Plan(root=rows)
        request = base_pb2.ExecutePlanRequest(**self._who, plan=plan)
        try:
            for _ in self._stub.ExecutePlan(request, _ANSWERED_SECONDS, self._metadata):
                pass
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            self.interrupt()
            return False
        return True

    def interrupt(self) -> list[str]:
        """Interrupt what is at work in the session, and return the names of the statements."""
        everything = base_pb2.InterruptRequest.INTERRUPT_TYPE_ALL
        request = base_pb2.InterruptRequest(**self._who, interrupt_type=everything)
        try:
            answer = self._stub.Interrupt(request, _ANSWERED_SECONDS, self._metadata)
        except grpc.RpcError as error:
            if _has_ended(error):
                return []
            raise
        return list(answer.interrupted_ids)

    def wait_for(self, statement: str) -> None:
        """Wait until a statement that was interrupted has ended: the last that is told of it."""
        patience_ends = time.monotonic() + _ENDED_SECONDS
        request = base_pb2.ReattachExecuteRequest(**self._who, operation_id=statement)
        while True:
            patience = max(patience_ends - time.monotonic(), 0)
            try:
                for answer in self._stub.ReattachExecute(request, patience, self._metadata):
                    if answer.HasField("result_complete"):
                        return
            except grpc.RpcError as error:
                if _has_ended(error):
                    return
                raise

    def release(self) -> None:
        request = base_pb2.ReleaseSessionRequest(**self._who)
        self._stub.ReleaseSession(request, _ANSWERED_SECONDS, self._metadata)


@contextmanager
def _server(builder: DefaultChannelBuilder, session: _Session) -> Iterator[_Server]:
    with builder.toChannel() as channel:
        grpc.channel_ready_future(channel).result(REACHED_SECONDS)
        yield _Server(channel, builder, session)


def _builder(address: str) -> DefaultChannelBuilder:
    read_address(address)
    try:
        return DefaultChannelBuilder(address)
    except ValueError:
        # Its message has what may be a token.
        raise no_address() from None


def _name_session(builder: DefaultChannelBuilder) -> _Session:
    return _Session(builder.endpoint, builder.userId or _USER, str(uuid4()))


def _note(home: Home, session: _Session) -> None:
    write_whole(home.spark_session, json.dumps(asdict(session)).encode())


def _has_ended(error: grpc.RpcError) -> bool:
    return any(f"[{word}" in (error.details() or "") for word in _ENDED)


def _name(error: Exception) -> str:
    return error.code().name if isinstance(error, grpc.RpcError) else "no answer by gRPC"


def _series(version: str) -> str:
    return ".".join(version.split(".")[:2])
