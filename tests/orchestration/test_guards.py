"""The limit on the size of requests, message by message as a server hands them on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from orchestration.pages.guards import SizeLimit

LIMIT = 10
SAID = "too much"
GONE: Message = {"type": "http.disconnect"}


class Connection:
    """A client behind a server, and the application behind the limit."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.read = 0
        self.sent: list[Message] = []
        self.received: list[Message] | None = None

    def ask(self, scope: Scope) -> None:
        """Hand a request to the limit."""
        asyncio.run(SizeLimit(self._answer, LIMIT, SAID)(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        self.read += 1
        return self.messages[self.read - 1]

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.received = []
        while not self.received or self.received[-1].get("more_body"):
            self.received.append(await receive())
        await send({"type": "http.response.start", "status": 204})


def _request(length: str | None = None) -> Scope:
    headers = [] if length is None else [(b"content-length", length.encode())]
    return {"type": "http", "method": "POST", "path": "/", "headers": headers}


def _parts(*sizes: int, is_whole: bool = True) -> list[Message]:
    parts = [{"type": "http.request", "body": b"x" * size, "more_body": True} for size in sizes]
    if is_whole:
        parts[-1]["more_body"] = False
    return parts


@pytest.mark.parametrize(
    ("messages", "read"),
    [
        pytest.param(_parts(6, 5), 2, id="to its end"),
        pytest.param([*_parts(6, is_whole=False), GONE], 2, id="until the client is gone"),
        pytest.param([GONE], 1, id="no byte comes"),
        pytest.param(_parts(50, 49, 2, 1), 3, id="a tenfold is the most"),
        pytest.param(_parts(50, 50, 1), 2, id="exactly a tenfold"),
    ],
)
def test_what_is_declared_too_large_is_read_so_that_the_client_hears_why(
    messages: list[Message], read: int
) -> None:
    """A client that may not send all would see its connection break, and not the answer."""
    client = Connection(messages)
    client.ask(_request("11"))
    start, body = client.sent
    assert (start["status"], body["body"]) == (413, SAID.encode())
    assert (client.read, client.received) == (read, None)


@pytest.mark.parametrize("length", [None, "", "10", "many", "-1"])
def test_a_request_of_the_limit_itself_is_passed_on_as_it_is(length: str | None) -> None:
    client = Connection(_parts(4, 6))
    client.ask(_request(length))
    assert client.received == client.messages
    assert client.sent == [{"type": "http.response.start", "status": 204}]


def test_a_request_that_declares_less_than_it_sends_ends_at_the_limit() -> None:
    client = Connection(_parts(4, 6, 1, 1))
    with pytest.raises(HTTPException) as raised:
        client.ask(_request("10"))
    assert (raised.value.status_code, raised.value.detail) == (413, SAID)
    assert (client.read, client.received) == (3, client.messages[:2])


def test_what_is_no_request_has_no_size() -> None:
    client = Connection([{"type": "lifespan.startup", "body": b"x" * 11}])
    client.ask({"type": "lifespan"})
    assert client.received == client.messages
