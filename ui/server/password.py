"""The password of a dashboard that is open to the network: asked once for a browser, then known by a signed cookie."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from html import escape
from urllib.parse import parse_qs, quote

from starlette.requests import cookie_parser
from starlette.types import Receive, Scope, Send

from core.publishing.password import Guarded, answer

ENTER = "/groundline/enter"
_STAY_S = 12 * 3600
_MOST_BYTES = 4096

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Groundline</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; color: #17262B; background: #F2F6F6; }}
form {{ display: grid; gap: .7rem; width: min(22rem, 90vw); padding: 1.6rem; background: #fff; border-radius: .5rem; }}
h1 {{ font-size: 1.35rem; margin: 0; }} p {{ margin: 0; }} .wrong {{ color: #A3261D; }}
input, button {{ font: inherit; padding: .5rem .7rem; border-radius: .5rem; border: 1px solid #5F7178; }}
button {{ background: #0F766E; border-color: #0F766E; color: #fff; }}
</style></head><body><main><form method="post" action="{action}">
<h1>Groundline</h1>{told}
<label for="password">Password, as the terminal of the dashboard shows it</label>
<input id="password" name="password" type="password" autocomplete="current-password" autofocus required>
<input name="next" type="hidden" value="{where}">
<button>Come in</button>
</form></main></body></html>
"""


class Password:
    """Lets in who has typed the password: one answer for each wrong one, and ever longer waits for an address that goes on guessing."""

    def __init__(self, password: str, *, base: str = "", clock: Callable[[], float] = time.time):
        self._password = Guarded(password, clock=clock)
        self._key = secrets.token_bytes(32)  # a server that starts anew asks anew
        self._enter = f"{base}{ENTER}"
        self._home = f"{base}/"
        self._clock = clock

    def lets_in(self, scope: Scope) -> bool:
        """Whether the request brings a cookie that this server gave and that still holds."""
        told = cookies(scope).get(_cookie_name(scope), "")
        until, _, signature = told.partition(".")
        known = hmac.compare_digest(signature.encode(), self._sign(until).encode())
        return known and until.isdigit() and float(until) > self._clock()

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is not let in: the form, or what follows from a password that was typed into it."""
        if scope["method"] == "POST" and scope["path"] == self._enter:
            await self._try(scope, receive, send)
        elif scope["method"] == "GET" and b"text/html" in dict(scope["headers"]).get(b"accept", b""):
            query = scope.get("query_string", b"").decode("latin-1")
            await self._form(send, 401, where=scope["path"] + (f"?{query}" if query else ""))
        else:
            await answer(send, 401, "This dashboard asks for a password. Open its first page in a browser.")

    async def _try(self, scope: Scope, receive: Receive, send: Send) -> None:
        typed = parse_qs((await _body(receive)).decode("utf-8", "replace"), keep_blank_values=True)
        where = typed.get("next", [""])[0]
        wait = self._password.wait_s(scope)
        if wait > 0:
            again = {"retry-after": str(int(wait) + 1)}
            await self._form(send, 429, where=where, told=f"Too many wrong passwords. Try again in {int(wait) + 1} s.", headers=again)
        elif self._password.opens(scope, typed.get("password", [""])[0]):
            until = str(int(self._clock()) + _STAY_S)
            secure = "; Secure" if scope.get("scheme") == "https" else ""
            cookie = f"{_cookie_name(scope)}={until}.{self._sign(until)}; Path=/; HttpOnly; SameSite=Lax{secure}"
            # Only a place on this server: what begins with two slashes is another one.
            safe = where if where.startswith("/") and not where.startswith(("//", "/\\")) and where.isprintable() else self._home
            await answer(send, 303, "Come in.", headers={"location": _quoted(safe), "set-cookie": cookie})
        else:
            await self._form(send, 401, where=where, told="This is not the password.")

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), sha256).hexdigest()

    async def _form(self, send: Send, status: int, *, where: str, told: str = "", headers: dict[str, str] | None = None) -> None:
        words = f'<p class="wrong" role="alert">{escape(told)}</p>' if told else ""
        page = _PAGE.format(action=escape(self._enter), told=words, where=escape(where))
        await answer(send, status, page, kind="text/html", headers=headers)


async def _body(receive: Receive) -> bytes:
    """The body of a request; what is longer than any password is cut off."""
    body = b""
    while len(body) <= _MOST_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return body[:_MOST_BYTES]


def cookies(scope: Scope) -> dict[str, str]:
    """The cookies that a request brings."""
    return cookie_parser("; ".join(value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie"))


def _cookie_name(scope: Scope) -> str:
    """Browsers know cookies by machine and not by port: each dashboard of a machine has its own."""
    return f"groundline-{(scope.get('server') or ('', 0))[1]}"


def _quoted(where: str) -> str:
    """A place for a header: what is no letter of an address is written as its bytes."""
    return quote(where, safe="/?&=%#+,:;@!$'()*[]~")
