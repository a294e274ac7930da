"""A server that others can reach asks for a password, as the programs that read layers bring it."""

from __future__ import annotations

import base64
import socket

import pytest

from core.errors import SettingsError
from core.publishing import running
from core.publishing.doors import LONGEST_TARGET, Doors
from core.publishing.names import own_names
from core.publishing.password import PASSWORD_VARIABLE, Guarded, from_environment

HOSTS = {"maps.example"}


async def inner(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def basic(password: str, name: str = "anybody") -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + base64.b64encode(f"{name}:{password}".encode())


def ask(doors: Doors, *headers: tuple[bytes, bytes], path: bytes = b"/", client: str = "10.0.0.9") -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of an answer."""
    sent = []

    async def send(message):
        sent.append(message)

    asked = {"type": "http", "method": "GET", "headers": [(b"host", b"maps.example"), *headers], "client": (client, 1)}
    answering = doors({**asked, "raw_path": path, "query_string": b""}, None, send)
    # Nothing here waits, so that one step is all.
    with pytest.raises(StopIteration):
        answering.send(None)
    return sent[0]["status"], dict(sent[0]["headers"])


def test_a_password_is_asked_for_and_guessing_it_is_slow():
    clock = [1_000_000.0]
    doors = Doors(inner, HOSTS, Guarded("correct: horse ü", clock=lambda: clock[0]))
    status, headers = ask(doors)
    assert (
        status == 401
        and headers[b"www-authenticate"].startswith(b"Basic ")
        and b"default-src 'self'" in headers[b"content-security-policy"]
    )
    assert ask(doors, basic("correct: horse ü"))[0] == 200
    assert [ask(doors)[0] for _ in range(5)] == [401] * 5  # who brings no password guesses none
    strange = [(b"authorization", told) for told in (b"Basic", b"Basic \xff", b"Basic " + base64.b64encode(b"\xff\xfe"), b"Bearer x")]
    assert {ask(doors, one, client="10.0.0.1")[0] for one in strange} == {401}
    assert ask(doors, basic("correct: horse ü"), basic("correct: horse ü"))[0] == 401
    assert [ask(doors, basic("wrong"))[0] for _ in range(4)] == [401, 401, 401, 429]
    status, headers = ask(doors, basic("correct: horse ü"))
    assert status == 429 and headers[b"retry-after"] == b"2"  # not even the right one, while it waits
    assert ask(doors, basic("correct: horse ü"), client="10.0.0.10")[0] == 200
    clock[0] += 2
    assert ask(doors, basic("correct: horse ü"))[0] == 200


def test_long_addresses_are_refused():
    doors = Doors(inner, HOSTS)
    assert ask(doors, path=b"/" * LONGEST_TARGET)[0] == 200
    assert ask(doors, path=b"/" * (LONGEST_TARGET + 1))[0] == 414


def test_a_short_password_is_refused_and_none_is_handed_on(monkeypatch):
    monkeypatch.setenv(PASSWORD_VARIABLE, "short")
    with pytest.raises(SettingsError, match="5 letters. Expected 10 or more"):
        from_environment()
    monkeypatch.setenv(PASSWORD_VARIABLE, "long enough")
    assert from_environment() == "long enough" and from_environment() == ""


def test_others_are_let_in_only_where_an_address_says_so():
    assert [running.open_to_others(host) for host in ("127.0.0.1", "localhost", "::1")] == [False] * 3
    assert [running.open_to_others(host) for host in ("0.0.0.0", "::", "10.0.0.7", "maps.example", "")] == [True] * 5
    assert running.address_of("127.0.0.1", 8600) == "http://127.0.0.1:8600" and running.address_of("::1", 1) == "http://[::1]:1"
    assert own_names()[0] in running.address_of("0.0.0.0", 8600)


def test_a_port_in_use_is_one_plain_line():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(SettingsError, match=f"^port {port} is in use. Expected a free port."):
            running.listening("127.0.0.1", port)
    bound = running.listening("127.0.0.1", 0)
    assert bound.getsockname()[1] > 0
    bound.close()
    with pytest.raises(SettingsError, match="^192.0.2.1 is no address of this machine"):  # kept for examples, nobody's
        running.listening("192.0.2.1", 0)
