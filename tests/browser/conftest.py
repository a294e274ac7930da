"""A server of its own, a real browser, and no network: every request that leaves this machine is refused and remembered."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tools.serving import SHIFTS, dashboard

WAIT_MS = 120_000  # a busy machine is slow, not broken
AGAIN_MS = 60_000
LONG_MS = 900_000  # for work that trains or predicts
ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
# A placeholder that pulses for ever is painted 60 times a second, which took more processor time than all else in the browser.
NOTHING_PULSES = """document.addEventListener('DOMContentLoaded', () => {
  const style = document.createElement('style');
  style.textContent = '*, *::before, *::after { animation: none !important; }';
  document.head.append(style);
});"""
# The bare headless browser does the same work in half the processor time: no window, no pages of Chromium's own.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@dataclass
class Server:
    """A running dashboard: its address, workspace and log."""

    url: str
    workspace: Path
    log: Path
    refused: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's Chromium or another one; the test is skipped where there is none."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium-headless-shell, or name one in $CHROMIUM)")
    return found


@pytest.fixture(scope="module")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`streamlit run app.py` on a free port with a workspace of its own, one for the tests of a file."""
    tmp_path = tmp_path_factory.mktemp("server")
    with dashboard(tmp_path) as url:
        yield Server(url, tmp_path / "workspace", tmp_path / "server.log")


@pytest.fixture(scope="session")
def browser(chromium: str):
    """The browser, started once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visitor(browser, server: Server) -> Iterator[Callable]:
    """`visitor(color_scheme="dark")`: a page of 1440 x 900 of somebody who was never here, who reaches the server and nothing else.

    At the end of a test nothing may have asked for an address elsewhere, no script may have failed, and nothing may have been kept
    out by the headers (ui/server/doors.py).
    """
    contexts, broken = [], []

    def heard(request) -> None:
        # The browser knows no name but localhost. Asking here whether each request may go would switch its cache off.
        if urlsplit(request.url).hostname not in (None, "localhost", "127.0.0.1"):
            server.refused.append(request.url)

    def come(**how: Any):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True, **how)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(NOTHING_PULSES)
        context.add_init_script(SHIFTS)
        context.on("request", heard)
        context.on("weberror", lambda error: broken.append(str(error.error)))
        context.on("console", lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None)
        return context.new_page()

    yield come
    for context in contexts:
        context.close()
    assert server.refused == []
    assert broken == []


@pytest.fixture
def page(visitor: Callable):
    """The page of one visitor."""
    return visitor()


@pytest.fixture
def picture(page, tmp_path: Path):
    """`picture("map")` saves a screenshot, into $GROUNDLINE_SCREENSHOTS where that is set."""
    folder = Path(os.environ.get("GROUNDLINE_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str) -> None:
        page.screenshot(path=folder / f"{name}.png")

    return save


def shifted(page) -> float:
    """How much was pushed aside on the page since it was loaded: the sum of the browser's layout shifts that nobody's hand caused."""
    return page.evaluate("window.glShifted")


def drawn(page) -> None:
    """Wait until the page is drawn to its end: until then the browser keeps what the last drawing left."""
    page.locator("[data-test-script-state='notRunning']").first.wait_for(state="attached")
    page.wait_for_timeout(300)


def press(button, then) -> None:
    """Click `button` until `then` (locators both) is there."""

    def attempt(timeout: int) -> None:
        button.click()
        then.wait_for(timeout=timeout)

    _again(attempt)


def fetched(page, button):
    """The download that a click on `button` starts."""

    def attempt(timeout: int):
        with page.expect_download(timeout=timeout) as sent:
            button.click()
        return sent.value

    return _again(attempt)


def becomes(look: Callable[[], Any], fits: Callable[[Any], bool], *, patience_ms: int = AGAIN_MS) -> Any:
    """What `look()` says once it fits; a browser paints when it gets to it."""
    give_up = time.monotonic() + patience_ms / 1000
    while not fits(seen := look()):
        assert time.monotonic() < give_up, f"it stayed at {seen}"
        time.sleep(0.05)
    return seen


def _again(attempt: Callable[[int], Any]) -> Any:
    """Up to three attempts: a page that draws itself lets go of a click, and people click again."""
    from playwright.sync_api import TimeoutError as Late

    for _ in range(2):
        with contextlib.suppress(Late):
            return attempt(AGAIN_MS)
    return attempt(WAIT_MS)
