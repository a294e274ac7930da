"""The first picture of a page: its words appear together with the menu, so that nothing on screen is pushed aside while it loads.

Streamlit draws the page over the whole width until its menu arrives, and then moves all of it to the right.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui import frame

# Where no menu comes, as when a page fails before it is drawn, everything shows after a while.
_STYLE = b"""<style>
@keyframes gl-show {to {visibility: visible}}
.stApp:not(:has([data-testid="stSidebar"] [data-testid="stPageLink"])) [data-testid="stAppViewContainer"] * {
  visibility: hidden; animation: gl-show 0s linear 5s forwards;
}
</style>
"""
_END = b"</head>"
_OF_THE_FILE = ("etag", "last-modified")


def middleware() -> Middleware:
    """Adds the style to the page that Streamlit serves under each of the menu's addresses."""
    return Middleware(FirstPaint, pages=[frame.address(path) for path, _, _ in frame.PAGES.values()])


class FirstPaint:
    """Puts a style into the head of the HTML that is served as one of `pages`; all else goes through untouched, a report that is
    downloaded as well.
    """

    def __init__(self, app: ASGIApp, pages: Iterable[str]):
        self.app = app
        self.pages = frozenset(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].rpartition("/")[2] not in self.pages:
            await self.app(scope, receive, send)
            return
        # Not packed: the page is some kilobytes, and what is packed cannot be added to.
        scope = {**scope, "headers": [(key, value) for key, value in scope["headers"] if key != b"accept-encoding"]}
        await self.app(scope, receive, _Dressed(send))


class _Dressed:
    """A `send` that holds an HTML answer back until it is whole, and sends it with the style in its head."""

    def __init__(self, send: Send):
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and Headers(raw=message["headers"]).get("content-type", "").startswith("text/html"):
            self._start = message
        elif self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_all(self._start)
        else:
            await self._send(message)

    async def _send_all(self, start: Message) -> None:
        body = self._body.replace(_END, _STYLE + _END, 1)
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-length"] = str(len(body))
        for name in _OF_THE_FILE:  # what is sent is not the file that they speak of
            del headers[name]
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})
