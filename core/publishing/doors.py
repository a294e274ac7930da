"""Who is answered: requests that name this machine as it is called, that only read, and that bring the password where there is one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.publishing.names import HOSTS_VARIABLE, host_of
from core.publishing.password import Guarded, answer

LONGEST_TARGET = 8192
"""Bytes of an address with its question at most."""
_READS = ("GET", "HEAD")
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'none'; object-src 'none'; base-uri 'self'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", _POLICY.encode()),
)


class Doors:
    """Refuses foreign names with 421, whatever would change something with 405, long addresses with 414, and who lacks the password."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str], password: Guarded | None = None):
        self.app = app
        self._hosts = frozenset(hosts)
        self._password = password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        send = with_headers(send, _HEADERS)
        wait = 0.0 if self._password is None else self._password.wait_s(scope)
        if host_of(scope) not in self._hosts:
            await answer(send, 421, f"This server answers to its own machine's names alone. Name others in {HOSTS_VARIABLE}.")
        elif scope["method"] not in _READS:
            await answer(send, 405, "This server only shows what is there.", headers={"allow": ", ".join(_READS)})
        elif len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET:
            await answer(send, 414, "This address is too long.")
        elif wait > 0 and _typed(scope) is not None:
            again = {"retry-after": str(int(wait) + 1)}
            await answer(send, 429, f"Too many wrong passwords. Try again in {int(wait) + 1} s.", headers=again)
        elif self._password is not None and not self._let_in(self._password, scope):
            basic = {"www-authenticate": 'Basic realm="Groundline", charset="UTF-8"'}
            await answer(send, 401, "This server asks for a password: any name, and the password that its terminal shows.", headers=basic)
        else:
            await self.app(scope, receive, send)

    @staticmethod
    def _let_in(password: Guarded, scope: Scope) -> bool:
        typed = _typed(scope)
        return typed is not None and password.opens(scope, typed)


def _typed(scope: Scope) -> str | None:
    """The password of a request by HTTP Basic, which QGIS, GDAL and browsers speak; None where it brings none."""
    told = [value for key, value in scope["headers"] if key == b"authorization"]
    kind, _, packed = told[0].partition(b" ") if len(told) == 1 else (b"", b"", b"")
    if kind.lower() != b"basic":
        return None
    try:
        return base64.b64decode(packed.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
    except (binascii.Error, ValueError):
        return None


def with_headers(send: Send, added: Iterable[tuple[bytes, bytes]]) -> Send:
    """A `send` that adds headers to each answer that does not bring them itself."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {key.lower() for key, _ in message.get("headers", ())}
            message["headers"] = [*message.get("headers", ()), *(item for item in added if item[0] not in own)]
        await send(message)

    return sending
