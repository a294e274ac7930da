"""Who may come in: requests that name this machine as it is called here, answered with headers that keep other sites out."""

from __future__ import annotations

import os
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS_VARIABLE = "GROUNDLINE_HOSTS"
"""Further names that the dashboard may be called by, with commas between them; needed where it listens on a network."""
_HERE = ("localhost", "127.0.0.1", "::1")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
)


def allowed_hosts(address: str | None = None) -> frozenset[str]:
    """The names in a Host header that are answered: this machine's own, the server's `address`, and those in GROUNDLINE_HOSTS."""
    named = os.environ.get(HOSTS_VARIABLE, "").split(",")
    told = [] if address in (None, "", "0.0.0.0", "::") else [str(address)]
    return frozenset(name.strip().lower().strip("[]") for name in (*_HERE, *told, *named) if name.strip())


class Doors:
    """Refuses requests by a foreign name with 421, web sockets too, and adds headers to all answers.

    A page of another site can make its own name lead to this machine (DNS rebinding); its requests still carry that name.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]):
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif _host(scope) not in self.hosts:
            await _refuse(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))


def _host(scope: Scope) -> str:
    """The name in the Host header without its port; "" where there is none or several."""
    named = [value for key, value in scope["headers"] if key == b"host"]
    text = named[0].decode("latin-1").strip().lower() if len(named) == 1 else ""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    words = f"This dashboard answers to localhost alone. Name others in {HOSTS_VARIABLE} where it is meant to be shared.".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(words)).encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": words})


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {key.lower() for key, _ in message.get("headers", ())}
            message["headers"] = [*message.get("headers", ()), *(item for item in _HEADERS if item[0] not in own)]
        await send(message)

    return sending
