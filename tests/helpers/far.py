"""Servers of the tests' own on this machine: nginx with range requests, one of S3's kind, and one that behaves as it is told."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_CONFIG = """
daemon off; pid {place}/pid; error_log {place}/errors; worker_processes 1;
events {{}}
http {{
  access_log {place}/log; client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;
  uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;
  server {{
    listen 127.0.0.1:{port}; root {place}/files;
    location /whole/ {{ alias {place}/files/; max_ranges 0; }}
    location /guarded/ {{ alias {place}/files/; auth_basic "x"; auth_basic_user_file {place}/users; }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: its address, the folder it serves, and its log. /whole/ gives no parts, /moved/ leads on, /guarded/ asks for
    ada:s3cret."""

    address: str
    files: Path
    log: Path

    def sent(self) -> int:
        """Bytes of files that were sent since the last time this was asked."""
        mark = f"/mark-{time.monotonic_ns()}"
        answers(f"{self.address}{mark}")
        # One worker writes one line after the other: what was asked before stands above the mark.
        while mark not in (text := self.log.read_text()):
            time.sleep(0.005)
        lines = text.splitlines()
        self.log.write_text("")
        return sum(int(found[1]) for line in lines if (found := re.search(r'" 20[06] (\d+) ', line)))


@pytest.fixture(scope="session")
def nginx() -> Iterator[Nginx]:
    """The server; the test is skipped where nginx is not installed."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    place = Path(tempfile.mkdtemp(prefix="groundline-nginx-"))
    place.chmod(0o755)  # workers of a server that root starts are nobody's
    (place / "files").mkdir()
    (place / "users").write_text("ada:{PLAIN}s3cret\n")
    port = free_port()
    (place / "conf").write_text(_CONFIG.format(place=place, port=port))
    process = subprocess.Popen([program, "-p", place, "-c", place / "conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answers(f"http://127.0.0.1:{port}/")
        yield Nginx(f"http://127.0.0.1:{port}", place / "files", place / "log")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(place)


@dataclass(frozen=True)
class Bucket:
    """A server of S3's kind with a bucket `open`, that everybody may read, and one `closed`."""

    host: str

    def put(self, key: str, data: bytes, *, public: bool) -> None:
        """Store an object."""
        headers = {"x-amz-acl": "public-read" if public else "private", "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"http://{self.host}/{key}", data=data, method="PUT", headers=headers)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """Moto's server, which checks who may read what."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made = Bucket(f"{host}:{port}")
    for name in ("open", "closed"):
        made.put(name, b"", public=name == "open")
    yield made
    server.stop()


@dataclass
class Odd:
    """A server that answers by a function of the path: it gets the handler, and sends what it wants. `asked` are the paths in order."""

    address: str
    answer: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def gives(self, path: str, body: bytes, *, kind: str = "image/tiff", status: int = 200, ranges: bool = False, **headers: str) -> None:
        """Answer a path with a body, in parts where `ranges`."""

        def send(handler: BaseHTTPRequestHandler) -> None:
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", "")) if ranges else None
            part = body[int(wanted[1]) : int(wanted[2]) + 1 if wanted[2] else None] if wanted else body
            handler.send_response(206 if wanted else status)
            if wanted:
                handler.send_header("Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(body)}")
            for name, value in {"Content-Type": kind, "Content-Length": str(len(part)), **headers}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            if handler.command != "HEAD":
                handler.wfile.write(part)

        self.answer[path] = send


@pytest.fixture
def odd() -> Iterator[Odd]:
    """The server; what it was told is forgotten after each test."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            told.asked.append(self.path)
            begins = [known for known in told.answer if path == known or (known.endswith("*") and path.startswith(known[:-1]))]
            if not begins:
                self.send_error(404)
                return
            told.answer[begins[0]](self)

        do_HEAD = do_GET

        def log_message(self, *_words: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_who: object) -> None:
            pass  # clients that had enough

    server = Server(("127.0.0.1", 0), Handler)
    told = Odd(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield told
    server.shutdown()
    server.server_close()


def png(pixels: np.ndarray) -> bytes:
    """A picture as PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def free_port() -> int:
    """A port on which nobody listens."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(address: str) -> None:
    """Wait until a server answers, whatever it says."""
    until = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.02)
