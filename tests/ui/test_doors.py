"""Only requests that call this machine by its own names are answered."""

import pytest

from ui.doors import Doors, allowed_hosts


async def inner(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"no-referrer")]})
    await send({"type": "http.response.body", "body": b"in"})


def ask(host, kind="http", hosts=None):
    """The messages that a request with these Host headers gets."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": f"{kind}.connect"}

    headers = [(b"host", name) for name in ([host] if isinstance(host, bytes) else host)]
    answering = Doors(inner, hosts or allowed_hosts())({"type": kind, "headers": headers}, receive, send)
    # Nothing here waits, so that one step is all; a loop of its own could not run beside that of the browser tests.
    with pytest.raises(StopIteration):
        answering.send(None)
    return sent


@pytest.mark.parametrize("host", [b"localhost:8501", b"localhost", b"LOCALHOST:1", b"127.0.0.1:8501", b"[::1]:8501", b"[::1]"])
def test_this_machine_is_answered_with_headers_that_keep_others_out(host):
    start, body = ask(host)
    assert start["status"] == 200 and body["body"] == b"in"
    headers = dict(start["headers"])
    assert headers[b"x-content-type-options"] == b"nosniff" and headers[b"x-frame-options"] == b"SAMEORIGIN"
    assert headers[b"referrer-policy"] == b"no-referrer"  # what an answer says itself counts
    assert ask(host, "websocket") == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example:8501",
        b"localhost.evil.example",
        b"127.0.0.1.nip.io",
        b"",
        [],
        [b"localhost", b"evil.example"],
        b"10.0.0.7:8501",
        b"[fe80::1]",
    ],
)
def test_a_foreign_name_is_refused(host):
    start, body = ask(host)
    assert start["status"] == 421 and b"GROUNDLINE_HOSTS" in body["body"]
    assert ask(host, "websocket") == [{"type": "websocket.close", "code": 1008}]


def test_names_that_were_told_are_answered(monkeypatch):
    monkeypatch.setenv("GROUNDLINE_HOSTS", "maps.example, [fe80::1]")
    hosts = allowed_hosts("10.0.0.7")
    assert {"maps.example", "fe80::1", "10.0.0.7"} < hosts
    for host in (b"maps.example:8501", b"[fe80::1]:8501", b"10.0.0.7"):
        assert ask(host, hosts=hosts)[0]["status"] == 200
    assert allowed_hosts("0.0.0.0") == allowed_hosts()


def test_the_server_is_told_to_listen_here_alone():
    import tomllib
    from pathlib import Path

    settings = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit/config.toml").read_text())
    assert settings["server"]["address"] == "localhost"
