"""Many people at one dashboard: `python bench/load.py --sessions 20 --minutes 10` (Chromium and playwright, see requirements-dev.txt).

Each session is a browser context of its own that goes from page to page, changes numbers, and looks at the tiles of a scene, with some
seconds between. Meanwhile eight jobs wait for their turn. Printed are the waits by page, errors that a visitor or the browser's console
would show, and the server's memory, minute by minute. Browsers take most of the processors: the waits say how bad it gets there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil
from playwright.async_api import Page, async_playwright
from playwright.async_api import TimeoutError as Late

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.dashboard import HEADINGS, PAGES  # noqa: E402
from tools.screenshots import QUIET, SIZE  # noqa: E402
from tools.serving import dashboard  # noqa: E402

JOBS, MOVES = 8, 10
# What pulses for ever is painted 60 times a second: twenty browsers would measure that.
NOTHING_PULSES = """document.addEventListener('DOMContentLoaded', () => {
  const style = document.createElement('style');
  style.textContent = '*, *::before, *::after { animation: none !important; }';
  document.head.append(style);
});"""
PATIENCE_MS = 300_000


class Heard:
    """What all sessions saw: waits in seconds by what was done, and errors."""

    def __init__(self):
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []

    async def time(self, what: str, doing) -> None:
        """Wait for something to be done, and remember how long that took."""
        started = time.monotonic()
        try:
            await doing
        except Late as late:
            self.errors.append(f"{what}: {str(late).splitlines()[0]}")
        self.waits[what].append(time.monotonic() - started)


async def session(browser, address: str, heard: Heard, number: int, end: float) -> None:
    """One person, until the end."""
    dice = random.Random(number)
    context = await browser.new_context(viewport=SIZE)
    context.set_default_timeout(PATIENCE_MS)
    context.on("weberror", lambda error: heard.errors.append(f"script: {error.error}"))
    # Streamlit's own script asks at two addresses which one is the server's, so that one of them is not there.
    context.on(
        "response", lambda got: heard.errors.append(f"{got.status} {got.url}") if got.status >= 400 and "/_stcore/" not in got.url else 0
    )
    await context.add_init_script(NOTHING_PULSES)
    page = await context.new_page()
    await heard.time("first visit", arrive(page, address))
    while time.monotonic() < end:
        await asyncio.sleep(dice.uniform(3, 8))
        what = dice.choice((*PAGES, "grid", "tiles"))
        if what == "grid":
            await slide(page, address, heard)
        elif what == "tiles":
            await heard.time("tiles of a scene", look(page, address))
        else:
            await heard.time(what, change(page, what))
        for error in await page.get_by_test_id("stException").all_inner_texts():
            heard.errors.append(f"{what}: {error[:200]}")
    await context.close()


async def arrive(page: Page, address: str) -> None:
    """Come to the home page."""
    await page.goto(address, wait_until="commit")
    await page.get_by_role("heading", name=HEADINGS["Home"]).first.wait_for()


async def change(page: Page, name: str) -> None:
    """Click in the menu and wait until the page is drawn to its end."""
    await page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
    await page.get_by_role("heading", name=HEADINGS.get(name, name)).first.wait_for()
    await page.locator("[data-test-script-state='notRunning']").first.wait_for(state="attached")


async def slide(page: Page, address: str, heard: Heard) -> None:
    """Change the patch grid ten times."""
    await page.goto(f"{address}/Explore?data=sample_data%2Ftown&explore_tab=Patches")
    share = page.locator(".st-key-patch_labelled input").first
    await heard.time("patch grid", share.wait_for())
    for number in range(MOVES):
        await heard.time("change of the grid", moved(page, share, "5" if number % 2 else "50"))


async def moved(page: Page, share, least: str) -> None:
    """Type another share and wait until the page has answered."""
    await share.fill(least)
    await share.press("Enter")
    await page.wait_for_timeout(100)
    await page.locator("[data-test-script-state='notRunning']").first.wait_for(state="attached")


async def look(page: Page, address: str) -> None:
    """Open a scene in the viewer and wait for its tiles."""
    await page.goto(f"{address}/Explore?data=sample_data%2Ftown&explore_tab=One+scene&scene=town_whole")
    await page.locator(".gl-viewer canvas.leaflet-tile-loaded").first.wait_for()


async def watch(server: psutil.Process, end: float) -> None:
    """Print the server's memory each minute."""
    minute = 0
    while time.monotonic() < end:
        memory, threads = server.memory_info().rss / 2**20, server.num_threads()
        print(f"minute {minute}: server {memory:.0f} MiB, {threads} threads, {server.num_fds()} open files", flush=True)
        minute += 1
        await asyncio.sleep(min(60, max(0.1, end - time.monotonic())))
    print(f"end: server {server.memory_info().rss / 2**20:.0f} MiB", flush=True)


def queue_jobs(workspace: Path) -> list:
    """Eight jobs that prepare the sample, one after another."""
    from core.jobs import jobs
    from core.workspace import Workspace

    place = Workspace(workspace)
    request = {"dataset": ROOT / "sample_data" / "town", "patch_size": 128, "stride": 64, "scale": 0.5, "split": "block"}
    return [jobs.start("prepare", request, workspace=place, title=f"Load {number}") for number in range(JOBS)]


async def run(asked: argparse.Namespace) -> Heard:
    """All sessions at one server."""
    heard = Heard()
    with tempfile.TemporaryDirectory(prefix="groundline-load-") as folder, dashboard(Path(folder)) as address:
        port = address.rsplit(":", 1)[1]
        server = next(one for one in psutil.process_iter(["cmdline"]) if f"--server.port={port}" in (one.info["cmdline"] or ()))
        queued = queue_jobs(Path(folder) / "workspace")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=asked.chromium, args=QUIET)
            end = time.monotonic() + 60 * asked.minutes
            people = [session(browser, address, heard, number, end) for number in range(asked.sessions)]
            await asyncio.gather(watch(server, end), *people)
            await browser.close()
        states = [job.status()["state"] for job in queued]
        print(f"jobs: {', '.join(f'{states.count(state)} {state}' for state in sorted(set(states)))}")
        log = (Path(folder) / "server.log").read_text(errors="replace")
        heard.errors += [line for line in log.splitlines() if "Traceback" in line]
    return heard


def main() -> int:
    """Print a line for each kind of wait; 1 when anybody saw an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    found = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM") or found)
    asked = parser.parse_args()
    heard = asyncio.run(run(asked))
    for what, waits in sorted(heard.waits.items()):
        ordered = sorted(waits)
        late = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
        times = f"median {statistics.median(waits):6.2f} s, 95 % within {late:6.2f} s, at most {ordered[-1]:6.2f} s"
        print(f"{what:20s} {len(waits):5d} times, {times}")
    print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {len(heard.errors)} errors")
    for error in sorted(set(heard.errors)):
        print(f"  {heard.errors.count(error)} x {error}")
    return int(bool(heard.errors))


if __name__ == "__main__":
    sys.exit(main())
