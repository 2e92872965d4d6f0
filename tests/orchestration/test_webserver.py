"""Dagster's user interface as the units serve it, asked for what no stranger may have done."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from orchestration.devtools.loopback_sftp import free_port
from orchestration.installation.home import PROJECT, Home
from orchestration.pages.guards import OriginError, read_origins
from tests.orchestration import proxying
from tests.orchestration.proxying import Proxy
from tests.orchestration.starting import lend_parse

PROXY = "https://saldo.example.cl"
LAUNCH = """
mutation Launch($config: RunConfigData) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "saldo", repositoryName: "__repository__", jobName: "business_date"
    }
    runConfigData: $config
    executionMetadata: {tags: [{key: "dagster/partition", value: "2026-03-02"}]}
  }) {
    __typename
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
  }
}
"""
RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"
REPORTED = """
{ assetOrError(assetKey: {path: ["debts"]}) { ... on Asset { assetMaterializations { runId } } } }
"""


@dataclass(frozen=True)
class Served:
    """The user interface of a home."""

    home: Home
    port: int

    @property
    def origin(self) -> str:
        """As the browser of this machine names it."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str, **variables: Any) -> Any:
        """Ask as a page of the user interface does."""
        answer = requests.post(
            f"{self.origin}/graphql",
            json={"query": query, "variables": variables},
            headers={"Origin": self.origin},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def _listen(served: Served, host: str, origin: str | None) -> ClientConnection:
    """Open a web socket as a page of an origin does that knows this machine by some name."""
    return connect(
        f"ws://{host}:{served.port}/graphql",
        sock=socket.create_connection(("127.0.0.1", served.port)),
        origin=None if origin is None else Origin(origin.format(port=served.port)),
        subprotocols=[Subprotocol("graphql-ws")],
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = Home(tmp_path_factory.mktemp("webserver") / "home", PROJECT / "seeds")
    home.create()
    lend_parse(home)
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration", "webserver", "--port", str(port)],
        cwd=PROJECT,
        env={**os.environ, **home.environment(), "SALDO_UI_ORIGINS": PROXY},
    ) as process:
        served = Served(home, port)
        while True:
            assert process.poll() is None
            try:
                requests.get(served.origin)
                break
            except requests.ConnectionError:
                time.sleep(0.2)
        yield served
        process.terminate()
        assert process.wait() == 0


@pytest.fixture(scope="module")
def proxy(served: Served, nginx: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy") / "saldo"
    with proxying.serve_proxy(nginx, folder, served.port) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def nothing_has_happened(served: Served) -> Iterator[None]:
    """Whatever a stranger asked: no run was launched, and no asset reported, by its request."""
    before = served.ask(RUNS), served.ask(REPORTED)
    yield
    assert (served.ask(RUNS), served.ask(REPORTED)) == before


SITE = "http://evil.example"


class TestStrangers:
    """Dagster's webserver, as it comes, answers these; many of them launch a run."""

    @pytest.mark.parametrize(
        ("origin", "content_type", "status"),
        [
            (SITE, "text/plain", 403),
            (SITE, "application/x-www-form-urlencoded", 403),
            (SITE, "application/json", 403),
            ("null", "text/plain", 403),
            ("http://127.0.0.1:1", "text/plain", 403),
            ("https://127.0.0.1:{port}", "text/plain", 403),
            ("http://localhost:{port}", "text/plain", 403),
            (PROXY, "text/plain", 403),
            (None, "text/plain", 403),
            (None, "application/json", 403),
            (None, None, 403),
            ("http://127.0.0.1:{port}", "text/plain", 415),
            ("http://127.0.0.1:{port}", "text/plain; application/json", 415),
            ("http://127.0.0.1:{port}", "application/graphql", 415),
            ("http://127.0.0.1:{port}", None, 415),
        ],
    )
    def test_a_page_of_another_site_launches_no_run(
        self, served: Served, origin: str | None, content_type: str | None, status: int
    ) -> None:
        asked = {"query": LAUNCH, "variables": json.dumps({"config": {}})}
        headers = {"Origin": origin, "Content-Type": content_type}
        answer = requests.post(
            f"{served.origin}/graphql",
            params=asked,
            data=json.dumps(asked),
            headers={
                name: text.format(port=served.port)
                for name, text in headers.items()
                if text is not None
            },
        )
        assert answer.status_code == status

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:{port}",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "",
        ],
    )
    def test_a_foreign_name_that_leads_here_is_not_answered(
        self, served: Served, host: str
    ) -> None:
        name = host.format(port=served.port)
        asked = {"query": LAUNCH, "variables": json.dumps({"config": {}})}
        for origin in (f"http://{name}", served.origin):
            answer = requests.post(
                f"{served.origin}/graphql", json=asked, headers={"Host": name, "Origin": origin}
            )
            assert answer.status_code == 400
        paths = ("/", "/server_info", "/runs", "/download_debug/x", "/logs/x.out", "/notebook")
        for path in (*paths, "/dagit/notebook", f"/graphql?query={RUNS}", "/favicon.png"):
            answer = requests.get(served.origin + path, headers={"Host": name})
            assert (path, answer.status_code) == (path, 400)

    @pytest.mark.parametrize("accept", ["*/*", "text/html", "image/avif,image/webp"])
    @pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/%67raphql"])
    def test_a_picture_or_a_link_changes_nothing(
        self, served: Served, accept: str, path: str
    ) -> None:
        answer = requests.get(
            served.origin + path,
            params={"query": LAUNCH, "variables": json.dumps({"config": {}})},
            headers={"Accept": accept},
        )
        assert answer.status_code == 405

    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
    def test_other_methods_are_not_taken_and_no_site_is_let_in_beforehand(
        self, served: Served, method: str
    ) -> None:
        asked = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
        answer = requests.request(method, f"{served.origin}/graphql", headers=asked)
        assert answer.status_code == 405
        assert [name for name in answer.headers if name.startswith("access-control")] == []

    @pytest.mark.parametrize(
        "report", ["report_asset_materialization", "report_asset_check", "report_asset_observation"]
    )
    def test_a_page_of_another_site_reports_nothing_of_an_asset(
        self, served: Served, report: str
    ) -> None:
        parameters = {"check_name": "x", "passed": "true"}
        for headers, status in (
            ({"Origin": SITE}, 403),
            ({}, 403),
            ({"Origin": served.origin}, 415),
        ):
            answer = requests.post(
                f"{served.origin}/{report}/debts", params=parameters, headers=headers
            )
            assert answer.status_code == status

    @pytest.mark.parametrize(
        ("host", "origin"),
        [
            ("127.0.0.1", SITE),
            ("127.0.0.1", "null"),
            ("127.0.0.1", "http://127.0.0.1:1"),
            ("127.0.0.1", None),
            ("evil.example", f"{SITE}:{{port}}"),
            ("evil.example", "http://127.0.0.1:{port}"),
        ],
    )
    def test_a_page_of_another_site_opens_no_web_socket(
        self, served: Served, host: str, origin: str | None
    ) -> None:
        with pytest.raises(InvalidStatus) as refused:
            _listen(served, host, origin)
        assert refused.value.response.status_code == 403

    def test_no_other_site_shows_the_user_interface_in_a_frame(self, served: Served) -> None:
        headers = requests.get(served.origin).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"


class TestConfiguration:
    """What even a page of the user interface, the launchpad, cannot say."""

    @pytest.mark.parametrize(
        "config",
        [
            {"resources": {"dbt": {"config": {"dbt_executable": "/tmp/program"}}}},
            {"resources": {"dbt": {"config": {"project_dir": "/tmp"}}}},
            {"resources": {"installation": {"config": {"home": "/tmp"}}}},
            {"resources": {"io_manager": {"config": {"base_dir": "/tmp"}}}},
            {"execution": {"config": {"marker_to_close": "/tmp/file"}}},
            {"ops": {"models": {"config": {"select": "x"}}}},
            {"ops": {"outbox__files": {"config": {"folder": "/tmp"}}}},
        ],
    )
    def test_no_resource_executor_or_step_can_be_set(
        self, served: Served, config: dict[str, Any]
    ) -> None:
        answer = served.ask(LAUNCH, config=config)["launchRun"]
        assert answer["__typename"] == "RunConfigValidationInvalid"


class TestOperators:
    """Those who belong in."""

    @pytest.mark.parametrize(
        "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:1", "[::1]:{port}", "127.0.0.1"]
    )
    def test_a_page_asks_under_each_name_of_this_machine_and_at_the_end_of_a_tunnel(
        self, served: Served, host: str
    ) -> None:
        name = host.format(port=served.port)
        answer = requests.post(
            f"{served.origin}/graphql",
            json={"query": "{ version }"},
            headers={"Host": name, "Origin": f"http://{name.lower()}"},
        )
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("origin", "status"),
        [(PROXY, 200), ("http://saldo.example.cl", 403), (f"{PROXY}:8443", 403), (SITE, 403)],
    )
    def test_a_page_asks_under_the_origin_of_a_proxy(
        self, served: Served, origin: str, status: int
    ) -> None:
        answer = requests.post(
            f"{served.origin}/graphql",
            json={"query": "{ version }"},
            headers={"Host": "saldo.example.cl", "Origin": origin},
        )
        assert answer.status_code == status

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_a_page_listens_to_what_happens(self, served: Served, host: str) -> None:
        with _listen(served, host, f"http://{host}:{{port}}") as connection:
            connection.send(json.dumps({"type": "connection_init"}))
            assert json.loads(connection.recv()) == {"type": "connection_ack"}


LOGIN = "Basic " + base64.b64encode(f"{proxying.USER}:{proxying.PASSWORD}".encode()).decode()
WRONG = "Basic " + base64.b64encode(f"{proxying.USER}:another".encode()).decode()


class TestProxy:
    """The documented nginx: who gives no name and password gets nowhere, and no site gets further
    by the browser of somebody who did.
    """

    @pytest.mark.parametrize("path", ["/", "/runs", "/graphql", "/server_info"])
    @pytest.mark.parametrize("login", [{}, {"Authorization": WRONG}])
    def test_without_a_login_nothing_is_shown(
        self, proxy: Proxy, path: str, login: dict[str, str]
    ) -> None:
        answer = proxy.ask("GET", path, **login)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="Saldo"')

    def test_with_it_the_user_interface_answers(self, proxy: Proxy) -> None:
        answer = proxy.ask("GET", "/", Authorization=LOGIN)
        assert answer.status == 200
        assert b">Dagster</title>" in answer.data
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Origin": PROXY, "Authorization": LOGIN}, 200),
            ({"Origin": PROXY}, 401),
            ({"Origin": SITE, "Authorization": LOGIN}, 403),
            ({"Authorization": LOGIN}, 403),
            ({"Origin": SITE, "Host": "evil.example", "Authorization": LOGIN}, 400),
        ],
    )
    def test_only_its_own_page_writes(
        self, proxy: Proxy, headers: dict[str, str], status: int
    ) -> None:
        """With a configuration that is none, so that even what passes launches no run."""
        config = {"ops": {"models": {"config": {"select": "x"}}}}
        asked = {"query": LAUNCH, "variables": {"config": config}}
        answer = proxy.ask(
            "POST",
            "/graphql",
            json.dumps(asked).encode(),
            **{"Content-Type": "application/json", **headers},
        )
        assert answer.status == status
        if status == 200:
            told = json.loads(answer.data)["data"]["launchRun"]
            assert told["__typename"] == "RunConfigValidationInvalid"

    @pytest.mark.parametrize(
        ("origin", "login", "status"), [(PROXY, None, 401), (SITE, LOGIN, 403)]
    )
    def test_no_stranger_opens_a_web_socket(
        self, proxy: Proxy, origin: str, login: str | None, status: int
    ) -> None:
        with pytest.raises(InvalidStatus) as refused:
            _listen_through(proxy, origin, login)
        assert refused.value.response.status_code == status

    def test_its_page_listens_to_what_happens(self, proxy: Proxy) -> None:
        with _listen_through(proxy, PROXY, LOGIN) as connection:
            connection.send(json.dumps({"type": "connection_init"}))
            assert json.loads(connection.recv()) == {"type": "connection_ack"}


def _listen_through(proxy: Proxy, origin: str, login: str | None) -> ClientConnection:
    """Open a web socket as a page does that knows the user interface by the proxy."""
    return connect(
        f"ws://{proxying.NAME}/graphql",
        sock=proxy.connect(),
        origin=Origin(origin),
        subprotocols=[Subprotocol("graphql-ws")],
        additional_headers={} if login is None else {"Authorization": login},
    )


def test_a_port_that_is_taken_is_told(served: Served) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "orchestration", "webserver", "--port", str(served.port)],
        cwd=PROJECT,
        env={**os.environ, **served.home.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stderr) == (
        1,
        f"saldo: port {served.port} of this machine cannot be used: Address already in use;"
        " --port takes another\n",
    )


@pytest.mark.parametrize(
    "origin",
    ["saldo.example.cl", "https://saldo.example.cl/", "https://*", "https://Saldo.cl", "null"],
)
def test_what_is_no_origin_is_refused_by_name(origin: str) -> None:
    with pytest.raises(OriginError, match=r"^SALDO_UI_ORIGINS: .* is no origin; one is https://"):
        read_origins(f"{PROXY}, {origin}", "SALDO_UI_ORIGINS")
