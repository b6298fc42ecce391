"""The certificates of the containers, made by openssl, and the probe of the project's servers."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.compose_files import ROOT, with_tls

FILES = ROOT / "packaging" / "compose"
SERVICES = with_tls()["services"]
SERVERS = ("elasticsearch", "kibana", "model-server", "agent", "dashboards", "receive")


def make_certificates(folder: Path, *services: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the container `certificates`."""
    command = ["sh", str(FILES / "certificates.sh"), str(folder), *services]
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(command, env={**path, **environ}, capture_output=True, text=True, timeout=30, check=False)


def handshake(server: Path, authority: Path, name: str) -> None:
    """Let a client that trusts only an authority connect to a server that it calls by a name.

    Raises
    ------
    ssl.SSLError
        If the client refuses the certificate.
    """
    client_context = ssl.create_default_context(cafile=authority)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server / "tls.crt", server / "tls.key")
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    answering = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() is not None


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of certificates, made by the command of the compose file."""
    folder = tmp_path_factory.mktemp("certificates")
    program, _, _, *services = SERVICES["certificates"]["command"]
    done = make_certificates(folder, *services, CERTIFICATE_NAMES="monitor.example.org,192.0.2.7")
    assert (program, done.returncode, done.stderr.count("error")) == ("sh", 0, 0)
    assert set(services) == set(SERVERS)
    return folder


@pytest.mark.parametrize("service", SERVERS)
def test_the_certificate_of_a_service_holds_for_its_names(certificates: Path, service: str) -> None:
    """Other containers call it by its name, this machine by localhost, and people by the names of CERTIFICATE_NAMES."""
    for name in (service, "localhost", "127.0.0.1", "monitor.example.org", "192.0.2.7"):
        handshake(certificates / service, certificates / "clients" / "ca.crt", name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates / service, certificates / service / "ca.crt", "other.example.org")


def test_keys_are_private(certificates: Path) -> None:
    """Only the account of the container reads a key, and the authority's key is in no folder that a container gets."""
    keys = sorted(certificates.rglob("*.key"))

    assert len(keys) == len(SERVERS) + 1
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert (certificates / "authority").stat().st_mode & 0o777 == 0o700
    assert not list((certificates / "clients").glob("*.key"))


def test_certificates_that_exist_stay(certificates: Path, tmp_path: Path) -> None:
    """A second start changes nothing; a new service gets a certificate of the same authority."""
    folder = tmp_path / "copy"
    shutil.copytree(certificates, folder)
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}

    assert make_certificates(folder, *SERVERS, "further").stdout == f"made {folder}/further\n"

    assert {name: (folder / name).read_bytes() for name in before} == before
    handshake(folder / "further", folder / "agent" / "ca.crt", "further")


def test_certificates_of_the_company_are_used(certificates: Path, tmp_path: Path) -> None:
    """Without the key of the authority nothing is made: what is missing is named in one line."""
    folder = tmp_path / "own"
    for name in ("clients", "agent"):
        shutil.copytree(certificates / name, folder / name)

    assert make_certificates(folder, "agent").stdout == ""
    lacking = make_certificates(folder, "agent", "kibana")
    (folder / "agent" / "tls.key").unlink()
    half = make_certificates(folder, "agent")

    assert (lacking.returncode, half.returncode) == (1, 1)
    assert lacking.stderr.startswith(
        f"error: {folder}/kibana has no tls.crt and tls.key, and there is no authority/ca.key"
    )
    assert half.stderr.startswith(f"error: {folder}/agent has only one of tls.crt and tls.key")


class _Probed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        has_token = self.headers.get("Authorization") == "Bearer secret-token"
        self.send_response(200 if self.path == "/readyz" or has_token else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def probed(certificates: Path) -> Iterator[int]:
    """Yield the port of an https server with the agent's certificate."""
    with HTTPServer(("127.0.0.1", 0), _Probed) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "agent" / "tls.crt", certificates / "agent" / "tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_probe_of_the_servers(certificates: Path, probed: int) -> None:
    """It trusts the authority, sends the agent's token, and fails if the server's answer is an error."""
    name, *command = SERVICES["agent"]["healthcheck"]["test"]
    authority = {"PROBE_CA": str(certificates / "clients" / "ca.crt")}

    def probe(path: str, **environ: str) -> bool:
        url = {"PROBE_URL": f"https://localhost:{probed}{path}"}
        program = [sys.executable, *command[1:]]
        return (
            subprocess.run(program, env={**url, **environ}, capture_output=True, timeout=30, check=False).returncode
            == 0
        )

    assert (name, command[0]) == ("CMD", "python")
    assert probe("/readyz", **authority)
    assert not probe("/readyz")
    assert probe("/healthz", **authority, MONITOR_HEALTH_TOKEN="secret-token")
    assert not probe("/healthz", **authority)
