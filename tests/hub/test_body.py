"""Bodies in pieces: large ones from the connection itself, with the bytes and the errors of the usual way."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from influence_nb.hub import body
from tests.loopback import LoopbackHub, models

BIG = models.noise(body.LARGE + 2_000_000)
FILES = {"big.bin": BIG, "small.bin": BIG[:1000], "empty.bin": b"", "text.json": BIG}


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.add("lab/one", FILES)
        yield hub


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, follow_redirects=True) as client:
        yield client


def read(client: httpx2.Client, url: str, seconds: float = 30, **headers: str) -> list[bytes]:
    with client.stream("GET", url, headers=headers) as response:
        return list(body.pieces(response, seconds))


def url(hub: LoopbackHub, name: str) -> str:
    return f"{hub.endpoint}/lab/one/resolve/main/{name}"


@pytest.mark.parametrize("name", FILES)
def test_the_bytes_are_the_same_and_the_client_goes_on(
    hub: LoopbackHub, client: httpx2.Client, name: str
) -> None:
    for _ in range(3):
        assert b"".join(read(client, url(hub, name))) == FILES[name]


def test_a_part_is_a_part(hub: LoopbackHub, client: httpx2.Client) -> None:
    assert b"".join(read(client, url(hub, "big.bin"), Range="bytes=777-")) == BIG[777:]


def test_what_came_with_the_head_is_not_lost(hub: LoopbackHub, client: httpx2.Client) -> None:
    with hub.hold("*big.bin", 5) as hold, client.stream("GET", url(hub, "big.bin")) as response:
        assert hold.reached.wait(30)
        found = body.pieces(response, 30)
        first = next(found)
        hold.release()
        assert first + b"".join(found) == BIG


def test_a_packed_body_is_unpacked(client: httpx2.Client) -> None:
    with LoopbackHub(compress=True) as hub:
        hub.add("lab/one", FILES)
        with client.stream("GET", url(hub, "text.json")) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert b"".join(body.pieces(response, 30)) == BIG


def test_another_transport_is_read_the_usual_way() -> None:
    headers = {"Content-Length": str(len(BIG))}
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(BIG))
    )
    with httpx2.Client(transport=transport) as client:
        assert b"".join(read(client, "http://made.up/")) == BIG


@pytest.mark.parametrize(
    ("kind", "error"), [("close_after", httpx2.RemoteProtocolError), ("reset_after", httpx2.ReadError)]
)
def test_a_connection_that_breaks_is_an_error_and_what_came_before_is_there(
    hub: LoopbackHub, client: httpx2.Client, kind: str, error: type[Exception]
) -> None:
    at = body.LARGE + 3
    hub.fault("*big.bin", kind, host="cdn", bytes=at)
    received = b""
    with client.stream("GET", url(hub, "big.bin")) as response:
        found = body.pieces(response, 30)
        while len(received) < at:
            received += next(found)
        with pytest.raises(error):
            next(found)
    assert received == BIG[:at]
    assert b"".join(read(client, url(hub, "big.bin"))) == BIG


def test_silence_is_a_time_out(hub: LoopbackHub, client: httpx2.Client) -> None:
    hub.fault("*big.bin", "silent", host="cdn", bytes=body.LARGE)
    with pytest.raises(httpx2.ReadTimeout):
        read(client, url(hub, "big.bin"), seconds=0.1)


@contextmanager
def encrypted(folder: Path) -> Iterator[tuple[str, ssl.SSLContext]]:
    """A server of `BIG` that encrypts, and what a client trusts it by."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    asked = (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        ["openssl", *asked.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(BIG)))
            self.end_headers()
            self.wfile.write(BIG)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/", ssl.create_default_context(cafile=certificate)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_an_encrypted_body_is_decrypted(tmp_path: Path) -> None:
    with encrypted(tmp_path) as (address, trust), httpx2.Client(verify=trust, trust_env=False) as client:
        assert b"".join(read(client, address)) == BIG
