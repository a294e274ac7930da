"""Only requests that call this machine by its own names are answered."""

import pytest

from core.errors import SettingsError
from ui.server import doors, openid
from ui.server.doors import Doors, allowed_hosts
from ui.server.password import ENTER, Password


async def inner(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"no-referrer")]})
    await send({"type": "http.response.body", "body": b"in"})


def ask(host=b"localhost", kind="http", hosts=None, *, method="GET", path="/", headers=(), body=b"", client="10.0.0.9", **doors_of):
    """The messages that a request with these Host headers gets."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": body} if kind == "http" else {"type": "websocket.connect"}

    named = [(b"host", name) for name in ([host] if isinstance(host, bytes) else host)]
    asked = {"type": kind, "headers": [*named, *headers], "method": method, "path": path, "client": (client, 1), "server": ("", 8501)}
    answering = Doors(inner, hosts or allowed_hosts("localhost"), **doors_of)(asked, receive, send)
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
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'self'; script-src 'self' 'unsafe-inline' blob:; " in policy and "frame-ancestors 'self'" in policy
    assert b"'unsafe-eval'" in dict(ask(path="/component/streamlit_folium.st_folium/index.html")[0]["headers"])[b"content-security-policy"]
    assert ask(host, "websocket") == [{"type": "websocket.accept"}]


def test_typed_map_servers_send_pictures_to_the_maps_frame_and_nothing_else():
    def policy(path, servers):
        headers = dict(ask(path=path, pictures=lambda: servers)[0]["headers"])
        return dict(part.split(" ", 1) for part in headers[b"content-security-policy"].decode().split("; "))

    frame, server = "/component/streamlit_folium.st_folium/index.html", "https://tiles.example.org:8443"
    bare, with_server = policy(frame, []), policy(frame, [server])
    assert with_server.pop("img-src") == f"{bare.pop('img-src')} {server}" and with_server == bare
    assert policy("/Map", [server]) == policy("/Map", [])


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
    assert allowed_hosts("0.0.0.0") == allowed_hosts() == allowed_hosts("localhost") | {"maps.example", "fe80::1", *doors.own_names()}


def test_the_server_is_told_to_listen_here_alone():
    import tomllib
    from pathlib import Path

    settings = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit/config.toml").read_text())
    assert settings["server"]["address"] == "localhost"


@pytest.mark.parametrize("origin", [b"http://evil.example", b"http://localhost.evil.example:8501", b"null", b"http://[", b""])
def test_pages_of_other_sites_draw_and_change_nothing_here(origin):
    told = [(b"origin", origin)]
    assert ask(kind="websocket", headers=told) == [{"type": "websocket.close", "code": 1008}]
    assert ask(method="POST", headers=told)[0]["status"] == 403
    assert ask(headers=told)[0]["status"] == 200  # a link from elsewhere may lead here


def test_what_only_shows_takes_nothing_in():
    assert ask(method="PUT", read_only=True)[0]["status"] == 403
    assert ask(read_only=True)[0]["status"] == ask(method="PUT", headers=[(b"origin", b"http://localhost:8501")])[0]["status"] == 200


# ---- the password ----

HTML = (b"accept", b"text/html,*/*")


def enter(gate, password, client="10.0.0.9", where="/Map?polygon=3", **how):
    body = f"password={password}&next={where}".encode()
    start, page = ask(
        method="POST", path=ENTER, body=body, gate=gate, client=client, headers=[(b"origin", b"http://localhost:8501")], **how
    )
    return start["status"], dict(start["headers"]), page["body"].decode()


@pytest.fixture
def clock():
    return [1_000_000.0]


@pytest.fixture
def gate(clock):
    return Password("correct horse", clock=lambda: clock[0])


def cookie_of(gate):
    status, headers, _ = enter(gate, "correct+horse")
    assert status == 303 and headers[b"location"] == b"/Map?polygon=3"
    assert b"; HttpOnly; SameSite=Lax" in headers[b"set-cookie"]
    return headers[b"set-cookie"].partition(b";")[0]


@pytest.mark.parametrize(
    "path",
    ["/", "/_stcore/stream", "/_stcore/health", "/_stcore/upload_file/1/2", "/media/1.png", "/groundline/files/1", "/static/a.js", "//"],
)
def test_every_route_is_closed_without_the_password(gate, path):
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert ask(method=method, path=path, gate=gate)[0]["status"] == 401
    assert ask(kind="websocket", path=path, gate=gate) == [{"type": "websocket.close", "code": 1008}]
    start, page = ask(path=path, headers=[HTML], gate=gate)
    assert start["status"] == 401 and b"<form" in page["body"] and b"content-security-policy" in dict(start["headers"])


def test_the_password_opens_all_of_them_until_the_cookie_is_old(gate, clock):
    told = [(b"cookie", b"other=1; " + cookie_of(gate))]
    assert ask(path="/media/1.png", headers=told, gate=gate)[1]["body"] == b"in"
    assert ask(kind="websocket", headers=told, gate=gate) == [{"type": "websocket.accept"}]
    clock[0] += 13 * 3600
    assert ask(headers=told, gate=gate)[0]["status"] == 401


def test_a_cookie_that_somebody_else_made_opens_nothing(gate):
    name, _, value = cookie_of(gate).partition(b"=")
    until, _, signature = value.partition(b".")
    others = cookie_of(Password("correct horse", clock=lambda: 1_000_000.0))
    longer = str(int(until) + 1).encode()
    for forged in (
        b"",
        until,
        until + b".",
        longer + b"." + signature,
        b"nan." + signature,
        b"\xff." + signature,
        others.partition(b"=")[2],
    ):
        assert ask(headers=[(b"cookie", name + b"=" + forged)], gate=gate)[0]["status"] == 401, forged


def test_guessing_is_slowed_down_for_the_address_that_guesses(gate, clock):
    assert [enter(gate, "wrong")[0] for _ in range(4)] == [401, 401, 401, 429]
    assert enter(gate, "correct+horse")[0] == 429  # not even the right one, while it waits
    assert enter(gate, "correct+horse", client="10.0.0.10")[0] == 303
    waits = []
    for _ in range(8):
        waits.append(int(enter(gate, "wrong")[1][b"retry-after"]))
        clock[0] += waits[-1]
        assert enter(gate, "wrong")[0] == 401
    assert waits[:4] == [2, 3, 5, 9] and max(waits) == 61
    clock[0] += 61
    assert enter(gate, "correct+horse")[0] == 303
    assert [enter(gate, "wrong", client=f"2001:db8::{k}")[0] for k in range(4)][-1] == 429  # one household of IPv6


@pytest.mark.parametrize(
    "where", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nset-cookie: b", "javascript:alert(1)"]
)
def test_the_password_leads_to_no_other_site(gate, where):
    assert enter(gate, "correct+horse", where=where)[1][b"location"] == b"/"


def test_the_form_shows_what_was_asked_for_as_words(gate):
    page = ask(path='/"><script>alert(1)</script>', headers=[HTML], gate=gate)[1]["body"]
    assert b"<script>" not in page and b"&quot;&gt;&lt;script&gt;" in page


def test_a_server_that_is_open_to_the_network_has_a_password(monkeypatch, capsys):
    monkeypatch.delenv("GROUNDLINE_PASSWORD", raising=False)
    assert doors.gate_of("localhost") is None and doors.gate_of("127.0.0.5") is None
    assert capsys.readouterr().out == ""
    for address in ("0.0.0.0", "::", "10.0.0.7", None, "maps.example"):
        assert isinstance(doors.gate_of(address), Password)
        told = capsys.readouterr().out.split("Password: ")[1].strip()
        assert len(told) == 16
    monkeypatch.setenv("GROUNDLINE_PASSWORD", "correct horse")
    gate = doors.gate_of("0.0.0.0")
    assert capsys.readouterr().out == "" and "GROUNDLINE_PASSWORD" not in doors.os.environ
    assert enter(gate, "correct+horse")[0] == 303
    monkeypatch.setenv("GROUNDLINE_PASSWORD", "short")
    with pytest.raises(SettingsError, match="5 letters. Expected 10 or more"):
        doors.gate_of("localhost")


# ---- signing in elsewhere ----


def test_who_signed_in_must_also_be_named(monkeypatch):
    import json

    from streamlit import user_info
    from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
    from streamlit.web.server.starlette.starlette_websocket import get_cookie_secret

    def signed(**user):
        value = create_signed_value(get_cookie_secret(), "_streamlit_user", json.dumps({"is_logged_in": True, **user}))
        return [HTML, (b"cookie", b"_streamlit_user=" + value)]

    def status(headers, **how):
        return ask(headers=headers, gate=gate, **how)[0].get("status")

    monkeypatch.setattr(user_info, "generate_login_redirect_url", lambda provider: f"/auth/login?provider={provider}")
    gate = openid.OpenId({"redirect_uri": "http://localhost:8501/oauth2callback", "google": {"client_id": "1"}}, users="Ada@a.org, *@b.org")
    start = ask(headers=[HTML], gate=gate)[0]
    assert start["status"] == 302 and dict(start["headers"])[b"location"] == b"/auth/login?provider=google"
    assert ask(path="/auth/login", gate=gate)[1]["body"] == b"in"
    assert status([], path="/media/1.png") == 401 and status([HTML], path="/auth/login", method="POST") == 401
    assert ask(kind="websocket", path="/auth/login", gate=gate) == [{"type": "websocket.close", "code": 1008}]
    assert status(signed(email="ada@a.org")) == status(signed(email="bob@B.org")) == 200
    assert status(signed(email="eve@a.org")) == status(signed(email="ada@a.org.evil")) == 403
    assert status(signed(email="ada@a.org", email_verified=False)) == status(signed()) == 403
    assert status(signed(email="ada@a.org", is_logged_in=False)) == 302
    assert status([HTML, (b"cookie", b"_streamlit_user=ImFkYUBhLm9yZyI.Zg.x")]) == 302
    with pytest.raises(SettingsError, match="nobody is named who may come in"):
        openid.OpenId({"client_id": "1"}, users=" ,")
