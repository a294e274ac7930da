"""Who may come in: requests that name this machine as it is called here and bring the password; answers keep other sites out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import SettingsError
from core.publishing.doors import with_headers
from core.publishing.names import HOSTS_VARIABLE, allowed_hosts, host_of, listens_here_alone, own_names
from core.publishing.password import PASSWORD_VARIABLE, answer, from_environment, made_up
from ui import allowed
from ui.server import openid
from ui.server.password import Password
from ui.viewer import online

BASE_MAPS = ("https://tile.openstreetmap.org", "https://server.arcgisonline.com")
"""Servers that the map's online base maps come from; of others, only pictures of layers that somebody typed (`ui.viewer.online`)."""
_OWN = "'self'"
# Streamlit's pages start by an inline script and take the viewer's from a blob; styles are set inline everywhere.
_POLICY = {
    "default-src": _OWN,
    "script-src": f"{_OWN} 'unsafe-inline' blob:",
    "style-src": f"{_OWN} 'unsafe-inline'",
    "img-src": " ".join((_OWN, "data:", "blob:", *BASE_MAPS)),
    "font-src": f"{_OWN} data:",
    "connect-src": " ".join((_OWN, "data:", "blob:", *BASE_MAPS)),
    "worker-src": f"{_OWN} blob:",
    "frame-src": f"{_OWN} blob: data:",
    "object-src": "'none'",
    "base-uri": _OWN,
    "form-action": _OWN,
    "frame-ancestors": _OWN,
}
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
)


class Gate(Protocol):
    """Asks who comes in; `Password` or `OpenId`."""

    def lets_in(self, scope: Scope) -> bool:
        """Whether a request may go on."""

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may not."""


@cache
def middleware() -> Middleware:
    """The doors of this server, by its options and environment; made once, though Streamlit runs `app.py` again for each drawing of Home.

    Ends the program with one line where they contradict each other.
    """
    address, base = st.get_option("server.address"), (st.get_option("server.baseUrlPath") or "").strip("/")
    try:
        gate = gate_of(address, base=f"/{base}" if base else "")
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    return Middleware(Doors, hosts=allowed_hosts(address), gate=gate, read_only=allowed.read_only(), pictures=online.origins)


def gate_of(address: str | None, *, base: str = "") -> Gate | None:
    """What asks who comes in: OpenID Connect where the secrets name a provider, the password where one is set, else one that is made up
    and printed where the server is open to the network; None on this machine alone. Raises SettingsError.
    """
    told = openid.section()
    if told is not None:
        os.environ.pop(PASSWORD_VARIABLE, "")  # jobs that the dashboard starts have no use for it
        return openid.OpenId(told, base=base)
    password = from_environment()
    if not password and not listens_here_alone(address):
        password = made_up()
        where = " or ".join(f"http://{name}:{st.get_option('server.port')}" for name in own_names()[:2])
        print(f"Open to the network at {where}\nPassword: {password}", flush=True)
    return Password(password, base=base) if password else None


class Doors:
    """Refuses requests by a foreign name with 421 and those that the gate does not let in, web sockets too; adds headers to all answers.

    A page of another site can make its own name lead to this machine (DNS rebinding); its requests still carry that name, and those
    to this machine's name say in Origin where the page is from. With `read_only` nothing is taken in besides the password. `pictures` tells
    from which other servers the frame of the maps may load pictures.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str],
        gate: Gate | None = None,
        read_only: bool = False,
        pictures: Callable[[], Iterable[str]] = tuple,
    ):
        self.app = app
        self.hosts = frozenset(hosts)
        self.gate = gate
        self.read_only = read_only
        self.pictures = pictures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        send = with_headers(send, _headers(scope["path"], self.pictures))
        if host_of(scope) not in self.hosts:
            words = f"This dashboard answers to its own machine's names alone. Name others in {HOSTS_VARIABLE}."
            await _refuse(scope, receive, send, 421, words)
        elif not self._from_here(scope):
            await _refuse(scope, receive, send, 403, "This dashboard takes nothing from pages of other sites.")
        elif self.gate is not None and not self.gate.lets_in(scope):
            await (_refuse(scope, receive, send, 401, "") if scope["type"] == "websocket" else self.gate.refuse(scope, receive, send))
        elif self.read_only and scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            await _refuse(scope, receive, send, 403, "This dashboard only shows what is there.")
        else:
            await self.app(scope, receive, send)

    def _from_here(self, scope: Scope) -> bool:
        """Whether the page that asks is one of this dashboard's, as far as its browser says; only what draws or changes is asked that."""
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return True
        told = [value.decode("latin-1") for key, value in scope["headers"] if key == b"origin"]
        try:
            return all((urlsplit(origin).hostname or "") in self.hosts for origin in told)
        except ValueError:
            return False


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await answer(send, status, words)


def _headers(path: str, pictures: Callable[[], Iterable[str]]) -> list[tuple[bytes, bytes]]:
    policy = dict(_POLICY)
    if "/component/" in path:  # the frame of the maps: streamlit-folium runs the script of a map by eval
        policy["script-src"] += " 'unsafe-eval'"
        policy["img-src"] = " ".join((policy["img-src"], *pictures()))
    return [*_HEADERS, (b"content-security-policy", "; ".join(f"{what} {where}" for what, where in policy.items()).encode())]
