"""A real server on this machine, that can be told to break off."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from core.errors import Cancelled, InputError
from core.model_store.starting.downloads import fetch

BODY = np.random.default_rng(0).integers(0, 256, 700_001, np.uint8).tobytes()
MD5, SHA256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server():
    """Serves BODY at every path; `breaks` holds, for each coming request, after how many bytes it hangs up; `asked` their ranges."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            given = self.headers.get("Range")
            web.asked.append(given)
            if self.path == "/missing":
                self.send_error(404)
                return
            start = int(given.removeprefix("bytes=").rstrip("-")) if given and web.ranges else 0
            if start >= len(BODY):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(BODY) - start))
            self.end_headers()
            end = start + web.breaks.pop(0) if web.breaks else len(BODY)
            self.wfile.write(BODY[start:end])

        def log_message(self, *_):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.breaks, web.asked, web.ranges = [], [], True
    web.url = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield web
    web.shutdown()
    web.server_close()
    thread.join()


@pytest.mark.parametrize("digest", [None, MD5, SHA256, SHA256.upper()])
def test_a_whole_file_with_progress(server, tmp_path, digest):
    heard = []
    path = fetch(f"{server.url}/a.h5", tmp_path / "new" / "a.h5", digest=digest, on_progress=lambda *told: heard.append(told))
    assert path.read_bytes() == BODY
    assert heard[-1] == (len(BODY), len(BODY), "Downloading a.h5")
    assert len(heard) >= 3 and [told[0] for told in heard] == sorted(told[0] for told in heard)
    assert [file.name for file in path.parent.iterdir()] == ["a.h5"]
    fetch(f"{server.url}/a.h5", path, digest=digest)
    assert len(server.asked) == 1  # what is there is not fetched again


def test_a_break_is_continued_where_it_was(server, tmp_path):
    server.breaks = [300_000, 100_000]
    assert fetch(f"{server.url}/a.h5", tmp_path / "a.h5", digest=MD5).read_bytes() == BODY
    assert server.asked == [None, "bytes=300000-", "bytes=400000-"]


def test_a_server_that_cannot_continue_sends_it_all_again(server, tmp_path):
    server.breaks, server.ranges = [300_000], False
    assert fetch(f"{server.url}/a.h5", tmp_path / "a.h5", digest=MD5).read_bytes() == BODY


def test_what_came_before_it_failed_is_kept_for_the_next_time(server, tmp_path):
    server.breaks = [100_000, 0, 0]
    with pytest.raises(InputError, match="a.h5 could not be downloaded.*what has arrived is kept"):
        fetch(f"{server.url}/a.h5", tmp_path / "a.h5", digest=MD5)
    assert not (tmp_path / "a.h5").exists()
    assert fetch(f"{server.url}/a.h5", tmp_path / "a.h5", digest=MD5).read_bytes() == BODY
    assert server.asked[-1] == "bytes=100000-"


def test_another_file_than_the_published_one_is_refused(server, tmp_path):
    with pytest.raises(InputError, match="is not the file that was published"):
        fetch(f"{server.url}/a.h5", tmp_path / "a.h5", digest="0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_under_the_name_is_replaced(server, tmp_path):
    (tmp_path / "a.h5").write_bytes(BODY[:1000])
    assert fetch(f"{server.url}/a.h5", tmp_path / "a.h5", digest=MD5).read_bytes() == BODY


def test_remains_that_are_too_long_are_thrown_away(server, tmp_path):
    (tmp_path / "a.h5.part").write_bytes(BODY + b"more")
    assert fetch(f"{server.url}/a.h5", tmp_path / "a.h5", digest=MD5).read_bytes() == BODY


def test_stopping_takes_effect_within_a_piece(server, tmp_path):
    with pytest.raises(Cancelled):
        fetch(f"{server.url}/a.h5", tmp_path / "a.h5", digest=MD5, should_stop=lambda: True)
    assert not (tmp_path / "a.h5").exists() and 0 < (tmp_path / "a.h5.part").stat().st_size < len(BODY)


def test_no_such_file_and_no_network_say_so(server, tmp_path):
    with pytest.raises(InputError, match="404"):
        fetch(f"{server.url}/missing", tmp_path / "a.h5")
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="could not be downloaded"):
        fetch(f"{server.url}/a.h5", tmp_path / "a.h5")
