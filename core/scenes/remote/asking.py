"""Asking servers: with patience that ends, few tries with pauses, redirects looked at one by one, and one line where they do not answer.

Nothing here decides what is asked for: that is an address which somebody typed.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

from core import __version__
from core.errors import SceneError
from core.progress import ShouldStop, check
from core.reading.addresses import host_of, is_private, masked
from core.words import size_words

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

PATIENCE_VARIABLE = "GROUNDLINE_PATIENCE_S"
"""Names the seconds that a server may be silent, in place of `PATIENCE_S`."""
PATIENCE_S = 20.0
CONNECT_S = 10.0
TRIES = 4
USER_AGENT = f"Groundline/{__version__}"
SLOWEST_BYTES_S = 1000
"""Who sends less than this for as long as a silence may last is not waited for."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_BUSY = {429, 500, 502, 503, 504}
_REDIRECTS, _MOST_REDIRECTS = {301, 302, 303, 307, 308}, 5
_PIECE = 1 << 16
_LOOK_S = 0.1
_NUMBERED = re.compile(r"\[Errno -?\d+\] ")


def patience_s() -> float:
    """Seconds that a server may be silent."""
    return float(os.environ.get(PATIENCE_VARIABLE) or PATIENCE_S)


class Unanswered(SceneError):
    """A server that did not answer as asked. `passing`: another try may go better; `pause_s`: what it asks to wait, None for nothing."""

    def __init__(self, found: str, *, expected: str, do: str, passing: bool = False, pause_s: float | None = None, status: int = 0):
        super().__init__(found, expected=expected, do=do)
        self.passing, self.pause_s, self.status = passing, pause_s, status


@dataclass
class Reply:
    """An answer that is being read: its headers by small letters, the address it came from in the end, and its bytes in pieces."""

    status: int
    headers: Mapping[str, str]
    address: str
    response: requests.Response = field(repr=False)

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they come. Raises Unanswered where they come too slowly or break off."""
        begun, got = time.monotonic(), 0
        with _told(self.address):
            # What is there is taken at once: whoever waits for a full piece does not see that it comes drop by drop.
            while piece := self.response.raw.read1(_PIECE, decode_content=False):
                got += len(piece)
                yield piece
                if time.monotonic() - begun > patience_s() + got / SLOWEST_BYTES_S:
                    raise _too_slow(self.address)
        whole = self.headers.get("content-length", "")
        if whole.isdigit() and got < int(whole):
            raise _breaks_off(self.address, got, int(whole))

    def head(self, size: int) -> bytes:
        """The first bytes, at most `size`; what follows is not waited for."""
        found = b""
        for piece in self.pieces():
            found += piece
            if len(found) >= size:
                break
        return found[:size]

    def read(self, most: int) -> bytes:
        """All bytes. Raises Unanswered for more than `most`."""
        found = bytearray()
        for piece in self.pieces():
            found += piece
            if len(found) > most:
                raise Unanswered(
                    f"{host_of(self.address)} sends more than {size_words(most)} for one answer",
                    expected="a tile, or a list of layers",
                    do="Check the address",
                )
        return bytes(found)


@contextmanager
def asked(address: str, *, headers: Mapping[str, str] | None = None) -> Iterator[Reply]:
    """The answer of an address, asked once, with redirects followed. Raises Unanswered for none, and for one that is no success.

    A redirect from a public host leads to no host of a private network and to nothing unencrypted: what was typed was another place.
    """
    session = _session()
    first = now = address
    with _told(now):
        for _ in range(_MOST_REDIRECTS + 1):
            response = session.get(
                now,
                headers={"Accept-Encoding": "identity", **(headers or {})},
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_S, patience_s()), patience_s()),
            )
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                break
            response.close()
            now = _led(first, now, response.headers["location"])
        else:
            raise Unanswered(f"{host_of(first)} leads in circles", expected="the picture itself", do="Check the address")
    try:
        _refuse_failure(now, response)
        yield Reply(response.status_code, {key.lower(): value for key, value in response.headers.items()}, now, response)
    finally:
        response.close()


def fetched(
    address: str, *, most: int, tries: int = TRIES, headers: Mapping[str, str] | None = None, should_stop: ShouldStop | None = None
) -> tuple[bytes, Mapping[str, str]]:
    """All bytes of an answer of at most `most`, and its headers. Raises Unanswered, Cancelled."""

    def once() -> tuple[bytes, Mapping[str, str]]:
        with asked(address, headers=headers) as answer:
            return answer.read(most), answer.headers

    return tried(once, tries=tries, should_stop=should_stop)


def tried(work: Callable[[], T], *, tries: int = TRIES, should_stop: ShouldStop | None = None) -> T:
    """What `work` gives, tried again with longer and longer pauses while it fails in a way that passes. Raises Unanswered, Cancelled."""
    for number in range(tries):
        check(should_stop)
        try:
            return work()
        except Unanswered as error:
            if not error.passing or number == tries - 1:
                raise
            pause = _PAUSE_S * 2**number if error.pause_s is None else error.pause_s
        if pause > _LONGEST_PAUSE_S:
            raise Unanswered(
                f"the server asks to wait {pause:.0f} s",
                expected=f"at most {_LONGEST_PAUSE_S:.0f} s",
                do="Go on later, from where it stopped",
            )
        _wait(pause, should_stop)
    raise AssertionError("no try at all")


def _wait(seconds: float, should_stop: ShouldStop | None) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check(should_stop)
        time.sleep(min(_LOOK_S, left))


class _Sessions(threading.local):
    """Connections of one thread, kept open from one question to the next."""

    session: requests.Session | None = None


_sessions = _Sessions()


def _session() -> requests.Session:
    import requests

    if _sessions.session is None:
        _sessions.session = requests.Session()
        _sessions.session.headers["User-Agent"] = USER_AGENT
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # below that it names what is asked for, keys and all
    return _sessions.session


def _led(first: str, now: str, location: str) -> str:
    """Where a redirect leads. Raises Unanswered where nobody who typed the first address would want to go."""
    there = urljoin(now, location)
    refuse_astray(first, there)
    return there


def refuse_astray(first: str, there: str) -> None:
    """Raise Unanswered where what was typed first names a place that who typed it cannot have meant: inside, unencrypted, or none."""
    before, after = urlsplit(first), urlsplit(there)
    wrong = ""
    if after.scheme not in ("http", "https") or not after.hostname:
        wrong = "to no web address"
    elif before.scheme == "https" and after.scheme == "http":
        wrong = "from an encrypted address to one that is not"
    elif after.hostname != before.hostname and not is_private(before.netloc) and is_private(after.netloc):
        wrong = "into a private network"
    if wrong:
        raise Unanswered(f"{host_of(first)} leads {wrong}", expected="the picture itself", do="Type that address if it is meant")


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn what goes wrong on the way into one line."""
    import requests
    import urllib3

    host = host_of(address)
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise Unanswered(
            f"{host} shows a certificate that cannot be trusted ({_reason(error)})",
            expected="a certificate of an authority that this machine knows",
            do="Name the authority's file in REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, or check the address",
        ) from None
    except requests.exceptions.ConnectTimeout:
        raise _silent(host) from None
    except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        raise _silent(host) from None
    except (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError):
        raise Unanswered(
            f"{host} breaks off while it answers", expected="a whole answer", do="Try again; what is here already is kept", passing=True
        ) from None
    except requests.exceptions.ConnectionError as error:
        if "timed out" in str(error):
            raise _silent(host) from None
        raise Unanswered(
            f"no connection to {host} ({_reason(error)})",
            expected="a server that answers",
            do="Check the address and the network",
            passing=True,
        ) from None
    except (requests.exceptions.RequestException, ValueError) as error:
        raise Unanswered(
            f"{host} cannot be asked ({type(error).__name__})", expected="an address that can be opened", do="Check the address"
        ) from None


def _reason(error: Exception) -> str:
    """The innermost cause, whose words name no address and no number of the operating system."""
    from urllib3.exceptions import NameResolutionError

    inner: BaseException = error
    while inner.args and isinstance(inner.args[-1], BaseException):
        inner = inner.args[-1]
    cause = getattr(inner, "reason", None) or inner
    if isinstance(cause, NameResolutionError):
        return "no machine of that name is known"
    words = getattr(cause, "verify_message", "") or getattr(cause, "strerror", "") or str(cause).rpartition(": ")[2]
    return masked(_NUMBERED.sub("", " ".join(str(words).split())).rstrip("."))[:120] or type(inner).__name__


def _silent(host: str) -> Unanswered:
    return Unanswered(
        f"{host} did not answer in {patience_s():g} s", expected="an answer", do="Try again later, or check the address", passing=True
    )


def _too_slow(address: str) -> Unanswered:
    return Unanswered(
        f"{host_of(address)} sends less than {SLOWEST_BYTES_S} bytes a second",
        expected="a server that can be waited for",
        do="Try again later; what is here already is kept",
    )


def _breaks_off(address: str, got: int, whole: int) -> Unanswered:
    return Unanswered(
        f"{host_of(address)} breaks off after {got:,} of {whole:,} bytes",
        expected="a whole answer",
        do="Try again; what is here already is kept",
        passing=True,
    )


def _refuse_failure(address: str, response: requests.Response) -> None:
    status = response.status_code
    if status < 400 and status not in _REDIRECTS:
        return
    host, told = host_of(address), masked(address)[:200]
    if status in (401, 403, 407):
        raise Unanswered(
            f"{host} does not give {told} to everybody ({status})",
            expected="a picture that may be read",
            do="Check the address, its key, user and password",
            status=status,
        )
    if status in (404, 410):
        raise Unanswered(f"{told} is not there ({status})", expected="a picture", do="Check the address", status=status)
    if status in _BUSY:
        words = "is asked too often" if status == 429 else "has an error of its own"
        pause = _pause_of(response.headers.get("retry-after", ""))
        later = "Try again later; what is here already is kept"
        raise Unanswered(f"{host} {words} ({status})", expected="an answer", do=later, passing=True, pause_s=pause, status=status)
    raise Unanswered(f"{host} answers {status} to {told}", expected="a picture", do="Check the address", status=status)


def _pause_of(header: str) -> float | None:
    """The seconds that Retry-After asks for, as a number or a time."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
