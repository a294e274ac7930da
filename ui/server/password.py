"""The password of a dashboard that is open to the network: asked once for a browser, then known by a signed cookie."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from html import escape
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qs, quote

from starlette.requests import cookie_parser
from starlette.types import Receive, Scope, Send

PASSWORD_VARIABLE = "GROUNDLINE_PASSWORD"
"""The password that browsers are asked for; made up and printed where the server is open to the network and none is set."""
SHORTEST = 10
"""Letters that a password needs at least: tries are slowed down, but a short word is guessed all the same."""
ENTER = "/groundline/enter"
_STAY_S = 12 * 3600
_MOST_BYTES = 4096
_FREE_TRIES, _LONGEST_WAIT_S, _FORGOTTEN_S, _MOST_KNOWN = 3, 60.0, 3600.0, 10_000

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


def made_up() -> str:
    """A password that nobody guesses, 16 letters long."""
    return secrets.token_urlsafe(12)


class Password:
    """Lets in who has typed the password: one answer for each wrong one, and ever longer waits for an address that goes on guessing."""

    def __init__(self, password: str, *, base: str = "", clock: Callable[[], float] = time.time):
        self._digest = hashlib.sha256(password.encode()).digest()
        self._key = secrets.token_bytes(32)  # a server that starts anew asks anew
        self._enter = f"{base}{ENTER}"
        self._home = f"{base}/"
        self._clock = clock
        self._tries: OrderedDict[str, tuple[int, float]] = OrderedDict()

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
        who, now = _address(scope), self._clock()
        wait = self._wait_s(who, now)
        if wait > 0:
            again = {"retry-after": str(int(wait) + 1)}
            await self._form(send, 429, where=where, told=f"Too many wrong passwords. Try again in {int(wait) + 1} s.", headers=again)
        elif hmac.compare_digest(hashlib.sha256(typed.get("password", [""])[0].encode()).digest(), self._digest):
            self._tries.pop(who, None)
            until = str(int(now) + _STAY_S)
            secure = "; Secure" if scope.get("scheme") == "https" else ""
            cookie = f"{_cookie_name(scope)}={until}.{self._sign(until)}; Path=/; HttpOnly; SameSite=Lax{secure}"
            # Only a place on this server: what begins with two slashes is another one.
            safe = where if where.startswith("/") and not where.startswith(("//", "/\\")) and where.isprintable() else self._home
            await answer(send, 303, "Come in.", headers={"location": _quoted(safe), "set-cookie": cookie})
        else:
            self._tries[who] = (self._tries.get(who, (0, now))[0] + 1, now)
            self._tries.move_to_end(who)
            while len(self._tries) > _MOST_KNOWN:
                self._tries.popitem(last=False)
            await self._form(send, 401, where=where, told="This is not the password.")

    def _wait_s(self, who: str, now: float) -> float:
        """Seconds that this address has to wait yet: none for a few tries, then twice as long after each."""
        wrong, last = self._tries.get(who, (0, now))
        if now - last > _FORGOTTEN_S:
            self._tries.pop(who, None)
            return 0.0
        return 0.0 if wrong < _FREE_TRIES else last + min(_LONGEST_WAIT_S, 2.0 ** min(10, wrong - _FREE_TRIES)) - now

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    async def _form(self, send: Send, status: int, *, where: str, told: str = "", headers: dict[str, str] | None = None) -> None:
        words = f'<p class="wrong" role="alert">{escape(told)}</p>' if told else ""
        page = _PAGE.format(action=escape(self._enter), told=words, where=escape(where))
        await answer(send, status, page, kind="text/html", headers=headers)


async def answer(send: Send, status: int, words: str, *, kind: str = "text/plain", headers: dict[str, str] | None = None) -> None:
    """Send a whole answer that no browser keeps."""
    body = words.encode()
    told = {"content-type": f"{kind}; charset=utf-8", "content-length": str(len(body)), "cache-control": "no-store", **(headers or {})}
    raw = [(key.encode(), value.encode("latin-1")) for key, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


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


def _address(scope: Scope) -> str:
    """Who asks; of IPv6 addresses the part that one household shares."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else host


def _quoted(where: str) -> str:
    """A place for a header: what is no letter of an address is written as its bytes."""
    return quote(where, safe="/?&=%#+,:;@!$'()*[]~")
