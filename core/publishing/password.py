"""The password of a server that is open to the network: how long it is, and how ever longer waits slow down who guesses it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope, Send

from core.errors import SettingsError

PASSWORD_VARIABLE = "GROUNDLINE_PASSWORD"
"""The password that is asked for; made up and printed where the server is open to the network and none is set."""
SHORTEST = 10
"""Letters that a password needs at least: tries are slowed down, but a short word is guessed all the same."""
_FREE_TRIES, _LONGEST_WAIT_S, _FORGOTTEN_S, _MOST_KNOWN = 3, 60.0, 3600.0, 10_000


def made_up() -> str:
    """A password that nobody guesses, 16 letters long."""
    return secrets.token_urlsafe(12)


def from_environment() -> str:
    """The password in GROUNDLINE_PASSWORD, "" where none is set; it is taken out, so that nothing started later inherits it.

    Raises SettingsError for a short one.
    """
    password = os.environ.pop(PASSWORD_VARIABLE, "")
    if password and len(password) < SHORTEST:
        raise SettingsError(
            f"the password in {PASSWORD_VARIABLE} has {len(password)} letters",
            expected=f"{SHORTEST} or more",
            do="Choose a longer one, or set none to have one made up",
        )
    return password


class Guarded:
    """A password, and the tries at it: some are free, then an address waits twice as long after each wrong one."""

    def __init__(self, password: str, *, clock: Callable[[], float] = time.time):
        self._digest = hashlib.sha256(password.encode()).digest()
        self._clock = clock
        self._tries: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, scope: Scope) -> float:
        """Seconds that who asks has to wait yet before another try counts; 0 or less where none."""
        who, now = _address(scope), self._clock()
        wrong, last = self._tries.get(who, (0, now))
        if now - last > _FORGOTTEN_S:
            self._tries.pop(who, None)
            return 0.0
        return 0.0 if wrong < _FREE_TRIES else last + min(_LONGEST_WAIT_S, 2.0 ** min(10, wrong - _FREE_TRIES)) - now

    def opens(self, scope: Scope, typed: str) -> bool:
        """Whether `typed` is the password; a wrong one is remembered for the address that asks."""
        who = _address(scope)
        if hmac.compare_digest(hashlib.sha256(typed.encode()).digest(), self._digest):
            self._tries.pop(who, None)
            return True
        self._tries[who] = (self._tries.get(who, (0, 0.0))[0] + 1, self._clock())
        self._tries.move_to_end(who)
        while len(self._tries) > _MOST_KNOWN:
            self._tries.popitem(last=False)
        return False


async def answer(send: Send, status: int, words: str, *, kind: str = "text/plain", headers: dict[str, str] | None = None) -> None:
    """Send a whole answer that no browser keeps."""
    body = words.encode()
    told = {"content-type": f"{kind}; charset=utf-8", "content-length": str(len(body)), "cache-control": "no-store", **(headers or {})}
    raw = [(key.encode(), value.encode("latin-1")) for key, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _address(scope: Scope) -> str:
    """Who asks; of IPv6 addresses the part that one household shares."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else host
