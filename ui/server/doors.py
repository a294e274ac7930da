"""Who may come in: requests that name this machine as it is called here and bring the password; answers keep other sites out."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol
from urllib.parse import urlsplit

import psutil
import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import SettingsError
from ui import allowed
from ui.server import openid
from ui.server.password import PASSWORD_VARIABLE, SHORTEST, Password, answer, made_up
from ui.viewer import online

HOSTS_VARIABLE = "GROUNDLINE_HOSTS"
"""Further names that the dashboard may be called by, with commas between them; needed where a proxy stands before it."""
BASE_MAPS = ("https://tile.openstreetmap.org", "https://server.arcgisonline.com")
"""Servers that the map's online base maps come from; of others, only pictures of layers that somebody typed (`ui.viewer.online`)."""
_HERE = ("localhost", "127.0.0.1", "::1")
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
    # Jobs that the dashboard starts have no use for it.
    password = os.environ.pop(PASSWORD_VARIABLE, "")
    told = openid.section()
    if told is not None:
        return openid.OpenId(told, base=base)
    if password and len(password) < SHORTEST:
        raise SettingsError(
            f"the password in {PASSWORD_VARIABLE} has {len(password)} letters",
            expected=f"{SHORTEST} or more",
            do="Choose a longer one, or set none to have one made up",
        )
    if not password and not allowed.listens_here_alone(address):
        password = made_up()
        where = " or ".join(f"http://{name}:{st.get_option('server.port')}" for name in own_names()[:2])
        print(f"Open to the network at {where}\nPassword: {password}", flush=True)
    return Password(password, base=base) if password else None


def own_names() -> list[str]:
    """What this machine is called on its networks: its addresses, those of version 4 first, then its names."""
    entries = itertools.chain(*psutil.net_if_addrs().values())
    found = [entry.address.partition("%")[0] for entry in entries if entry.family in (socket.AF_INET, socket.AF_INET6)]
    outside = [address for address in found if not allowed.listens_here_alone(address)]
    name = socket.gethostname().lower()
    return [*sorted(outside, key=lambda address: ":" in address), name, f"{name.partition('.')[0]}.local"]


def allowed_hosts(address: str | None = None) -> frozenset[str]:
    """The names in a Host header that are answered: this machine's own, the server's `address`, and those in GROUNDLINE_HOSTS.

    A server that listens on all networks is called by any of its machine's names.
    """
    named = os.environ.get(HOSTS_VARIABLE, "").split(",")
    told = own_names() if address in (None, "", "0.0.0.0", "::") else [str(address)]
    return frozenset(name.strip().lower().strip("[]") for name in (*_HERE, *told, *named) if name.strip())


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
        send = _with_headers(send, scope["path"], self.pictures)
        if _host(scope) not in self.hosts:
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


def _host(scope: Scope) -> str:
    """The name in the Host header without its port; "" where there is none or several."""
    named = [value for key, value in scope["headers"] if key == b"host"]
    text = named[0].decode("latin-1").strip().lower() if len(named) == 1 else ""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await answer(send, status, words)


def _with_headers(send: Send, path: str, pictures: Callable[[], Iterable[str]]) -> Send:
    policy = dict(_POLICY)
    if "/component/" in path:  # the frame of the maps: streamlit-folium runs the script of a map by eval
        policy["script-src"] += " 'unsafe-eval'"
        policy["img-src"] = " ".join((policy["img-src"], *pictures()))
    added = (*_HEADERS, (b"content-security-policy", "; ".join(f"{what} {where}" for what, where in policy.items()).encode()))

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {key.lower() for key, _ in message.get("headers", ())}
            message["headers"] = [*message.get("headers", ()), *(item for item in added if item[0] not in own)]
        await send(message)

    return sending
