"""nginx before the user interface, set as docs/deployment.md has it.

What a test cannot have of this machine is replaced: the ports and the folder /etc/saldo. The rest
is the documented text.
"""

from __future__ import annotations

import getpass
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestration.devtools.loopback_sftp import free_port
from orchestration.installation.home import PROJECT

NAME = "saldo.example.cl"
USER, PASSWORD = "ana", "clave-inventada"
_FOLDER = "/etc/saldo"
# The configuration, and the commands that add whom it lets in.
_DOCUMENTED = re.compile(r"^```nginx\n(.*?)^```\n\n```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Where nginx keeps what it needs, so that it runs beside others and without root.
_AROUND = """\
user {user};
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    {temporary}
    {server}
}}
"""
_KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Proxy:
    """A proxy at work.

    Args:
        port: on 127.0.0.1.
        certificate: of its name, which nobody else has signed.

    """

    port: int
    certificate: Path

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        """Ask as somebody does who knows it by its name, on the port of HTTPS."""
        pool = urllib3.HTTPSConnectionPool(
            "127.0.0.1",
            self.port,
            ca_certs=str(self.certificate),
            server_hostname=NAME,
            assert_hostname=NAME,
        )
        with pool:
            asked = {"Host": NAME, **headers}
            return pool.request(method, path, body=body, headers=asked, retries=False)

    def connect(self) -> ssl.SSLSocket:
        """A connection of its name."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = socket.create_connection(("127.0.0.1", self.port))
        return context.wrap_socket(connection, server_hostname=NAME)


def find_nginx() -> str | None:
    """The path of nginx, if it is installed with what makes its passwords."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    return nginx if shutil.which("htpasswd") else None


@contextmanager
def serve_proxy(nginx: str, folder: Path, ui_port: int) -> Iterator[Proxy]:
    """Run the documented proxy before the user interface until the block ends.

    Args:
        nginx: the program.
        folder: takes the place of /etc/saldo.
        ui_port: where the user interface listens.

    """
    document = (PROJECT / "docs" / "deployment.md").read_text("utf-8")
    ((server, commands),) = _DOCUMENTED.findall(document)
    port = free_port()
    for documented, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "http://127.0.0.1:3000;": f"http://127.0.0.1:{ui_port};",
        _FOLDER: str(folder),
    }.items():
        assert documented in server
        server = server.replace(documented, here)
    (folder / "tls").mkdir(parents=True)
    _certify(folder / "tls")
    for command in commands.splitlines():
        _type(command, folder)
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in _KINDS)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _AROUND.format(user=getpass.getuser(), folder=folder, temporary=temporary, server=server)
    )
    with subprocess.Popen([nginx, "-c", configuration, "-p", folder, "-e", "stderr"]) as process:
        while True:
            assert process.poll() is None
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionError:
                time.sleep(0.05)
        yield Proxy(port, folder / "tls" / "certificate.pem")
        process.terminate()


def _type(command: str, folder: Path) -> None:
    """Run a documented command on the other folder, as this user and without a terminal."""
    typed = command.replace(_FOLDER, str(folder)).replace("NAME", USER)
    typed = typed.replace(" -g www-data", "").replace("htpasswd ", "htpasswd -i ")
    words = shlex.split(typed, comments=True)
    subprocess.run(words, input=f"{PASSWORD}\n", text=True, check=True)


def _certify(folder: Path) -> None:
    """Write a key and a certificate of the documented name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
