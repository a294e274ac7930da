"""Signing in by OpenID Connect, from the first request to the page, with a provider of the test's own on this machine."""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from authlib.jose import JsonWebKey, jwt

from tools import serving

ROOT = Path(__file__).resolve().parents[2]
CLIENT, SECRET = "groundline", "hush"
PAGE = {"accept": "text/html"}


class Provider(ThreadingHTTPServer):
    """Vouches for `email`, without asking anybody, by the code flow of OpenID Connect Core 1.0; `asked` are the paths that were called."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.key = JsonWebKey.generate_key("RSA", 2048, {"kid": "1", "use": "sig"}, is_private=True)
        self.email, self.verified = "ada@example.org", True
        self.nonces: dict[str, str] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    """One request to the provider."""

    server: Provider

    def log_message(self, *_):
        pass

    def do_GET(self):
        place, here = urlsplit(self.path), self.server.url
        self.server.asked.append(place.path)
        told = {key: values[0] for key, values in parse_qs(place.query).items()}
        if place.path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": f"{here}/authorize", "token_endpoint": f"{here}/token", "jwks_uri": f"{here}/keys"}
            self.say({"issuer": here, **ends, "id_token_signing_alg_values_supported": ["RS256"]})
        elif place.path == "/keys":
            self.say({"keys": [self.server.key.as_dict(is_private=False)]})
        elif place.path == "/authorize" and told["client_id"] == CLIENT and told["response_type"] == "code":
            code = secrets.token_hex(8)
            self.server.nonces[code] = told.get("nonce", "")
            self.send_response(302)
            self.send_header("location", f"{told['redirect_uri']}?{urlencode({'code': code, 'state': told['state']})}")
            self.end_headers()
        else:
            self.send_error(404)

    def do_POST(self):
        self.server.asked.append(self.path)
        told = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        name, _, password = b64decode(self.headers.get("authorization", "").removeprefix("Basic ")).decode().partition(":")
        if (name, password) != (CLIENT, SECRET) or told["code"][0] not in self.server.nonces:
            self.send_error(401)
            return
        now = int(time.time())
        claims = {"iss": self.server.url, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 600, "email": self.server.email}
        claims |= {"nonce": self.server.nonces.pop(told["code"][0]), "email_verified": self.server.verified}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.server.key).decode()
        self.say({"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def say(self, told: dict) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    server = Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def dashboard(provider, tmp_path_factory) -> Iterator[str]:
    """The address of a dashboard that asks the provider, and lets ada@example.org in."""
    folder, port = tmp_path_factory.mktemp("sign-in"), serving.free_port()
    told = {
        "redirect_uri": f"http://localhost:{port}/oauth2callback",
        "cookie_secret": secrets.token_hex(32),
        "client_id": CLIENT,
        "client_secret": SECRET,
        "server_metadata_url": f"{provider.url}/.well-known/openid-configuration",
    }
    (folder / "secrets.toml").write_text("\n".join(["[auth]", *(f"{key} = {json.dumps(value)}" for key, value in told.items())]))
    words = ["--secrets.files", str(folder / "secrets.toml")]
    with serving.dashboard(folder, *words, port=port, GROUNDLINE_USERS="ada@example.org") as url:
        yield url


def test_who_is_named_comes_in_by_way_of_the_provider(dashboard, provider):
    with requests.Session() as browser:
        first = browser.get(f"{dashboard}/Map", headers=PAGE, allow_redirects=False)
        assert first.status_code == 302 and urlsplit(first.headers["location"]).path == "/auth/login"
        assert browser.get(f"{dashboard}/groundline/static/x/map/map.js").status_code == 401
        page = browser.get(f"{dashboard}/Map", headers=PAGE)
        assert page.status_code == 200 and "<title>Streamlit</title>" in page.text
        assert [urlsplit(step.url).path for step in page.history][:2] == ["/Map", "/auth/login"]
        assert {"/authorize", "/token"} <= set(provider.asked)
        assert browser.get(f"{dashboard}/Map", headers=PAGE, allow_redirects=False).status_code == 200
    assert requests.get(f"{dashboard}/Map", headers=PAGE, allow_redirects=False).status_code == 302  # the cookie let in, not the machine


@pytest.mark.parametrize(("email", "verified"), [("eve@example.org", True), ("ada@example.org", False)])
def test_others_stay_outside_although_they_signed_in(dashboard, provider, monkeypatch, email, verified):
    monkeypatch.setattr(provider, "email", email)
    monkeypatch.setattr(provider, "verified", verified)
    with requests.Session() as browser:
        answer = browser.get(f"{dashboard}/", headers=PAGE)
        assert answer.status_code == 403 and ("not among those" if verified else "does not vouch") in answer.text
        assert browser.get(f"{dashboard}/groundline/static/x/map/map.js").status_code == 403
