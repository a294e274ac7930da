"""How fast the dashboard is in a browser: `python bench/dashboard.py` (Chromium and playwright, see requirements-dev.txt).

Starts a server with a workspace of its own and measures as a person would wait: from the answer of the server, or from a
click, until the words are on screen. A page is visited twice; the first visit also loads what the page needs. Of each page it
tells how much was pushed aside while it loaded (Chromium's layout shifts). A second server, for which nothing was compiled yet
as on a new clone, shows the way from a click on the sample to its finished map, after so long a look at the first page as
`--reading` says. Other work on the machine stretches these times; `load` says how busy it was.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import rasterio
from affine import Affine
from playwright.sync_api import Page, sync_playwright
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.records import keep  # noqa: E402
from tools.screenshots import QUIET, SIZE  # noqa: E402
from tools.serving import SHIFTS, dashboard  # noqa: E402

TRIES = 7
GIVE_UP_S = 30
# From a slider's event to the end of the second frame after it: what it changed is then on screen.
REPAINT = """(input, share) => new Promise((done) => {
  const least = Number(input.min) || 0, most = Number(input.max) || 1, started = performance.now();
  input.value = least + share * (most - least);
  input.dispatchEvent(new Event('input', {bubbles: true}));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - started)));
})"""
PAGES = ("Explore", "Train", "Predict", "Map", "Home")
HEADINGS = {"Home": "Groundline"}


def main() -> None:
    """Print a line for each wait, and what the server holds in memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM") or shutil.which("chromium"))
    parser.add_argument("--reading", type=float, default=30.0, metavar="SECONDS", help="on the first page before the sample is tried")
    asked = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="groundline-bench-") as folder:
        browser = playwright.chromium.launch(executable_path=asked.chromium, args=QUIET)
        # A browser that has drawn something before: its own start is not ours to measure.
        browser.new_page().goto("about:blank")
        with dashboard(Path(folder)) as address:
            page = visitor(browser)
            say("new server: first words", first_words(page, address))
            say("new server: home page complete", until(lambda: ready(page, "Home")))
            page.context.close()
            page = visitor(browser)
            say("running server, new visitor: first words", first_words(page, address))
            say("running server, new visitor: home page complete", until(lambda: ready(page, "Home")))
            for visit in ("first visit", "again"):
                for name in PAGES:
                    say(f"{name}, {visit}: heading", change(page, name), until(lambda n=name: ready(page, n)))
            sliders(page, address)
            corrections(page, address, Path(folder) / "workspace" / "uploads" / "noise.tif")
            shifts(browser, address)
            port = address.rsplit(":", 1)[1]
            server = next(one for one in psutil.process_iter(["cmdline"]) if f"--server.port={port}" in (one.info["cmdline"] or ()))
            libraries = {Path(entry.path).name for entry in server.memory_maps()}
            keep("the server's memory after all that", "MiB", server.memory_info().rss / 2**20)
            print(f"server: {server.memory_info().rss / 2**20:.0f} MiB, TensorFlow loaded: {any('tensorflow' in one for one in libraries)}")
        sample(browser, Path(folder) / "new", asked.reading)
        browser.close()
    print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def shifts(browser, address: str) -> None:
    """How much moved on each page while it was loaded by its address."""
    page = visitor(browser)
    page.add_init_script(SHIFTS)
    for name in PAGES:
        page.goto(f"{address}/{'' if name == 'Home' else name}")
        ready(page, name)
        page.wait_for_timeout(3000)
        shifted = page.evaluate("window.glShifted")
        keep(f"{name}, loaded: layout shift", "", shifted)
        print(f"{name + ', loaded: layout shift':68s} {shifted:6.3f}", flush=True)


def sample(browser, folder: Path, reading_s: float) -> None:
    """The demo as on a new clone: from the click to the map with its polygons."""
    folder.mkdir()
    with dashboard(folder, NUMBA_CACHE_DIR=str(folder / "compiled")) as address:
        page = visitor(browser)
        page.goto(address)
        button = page.get_by_role("button", name="Try the sample").first
        button.wait_for()
        page.wait_for_timeout(1000 * reading_s)
        started = time.monotonic()
        button.click()
        page.wait_for_url("**/Map")
        page.frame_locator("iframe").locator("body[data-polygons]").wait_for()
        say(f"new clone: the sample, from a click after {reading_s:.0f} s to its map", time.monotonic() - started)
        page.wait_for_timeout(3000)
        say("Predict, first visit with a finished prediction: heading", change(page, "Predict"), until(lambda: ready(page, "Predict")))


def visitor(browser) -> Page:
    """A visitor with nothing cached."""
    page = browser.new_context(viewport=SIZE).new_page()
    page.set_default_timeout(120_000)
    return page


def first_words(page: Page, address: str) -> float:
    """Seconds from the request until the title of the home page is on screen."""
    started = time.monotonic()
    page.goto(address, wait_until="commit")
    page.get_by_role("heading", name=HEADINGS["Home"]).first.wait_for()
    return time.monotonic() - started


def change(page: Page, name: str) -> float:
    """Seconds from a click in the menu until the other page's title is on screen."""
    started = time.monotonic()
    page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=HEADINGS.get(name, name)).first.wait_for()
    return time.monotonic() - started


def sliders(page: Page, address: str) -> None:
    """The answers of sliders on a scene of 2048 x 2304 px: of the server on Explore, of the browser alone in the viewer."""
    page.goto(f"{address}/Explore?data=sample_data%2Ftown&explore_tab=Patches")
    kept = page.get_by_test_id("stMetricValue")
    kept.first.wait_for()
    share = page.locator(".st-key-patch_labelled input").first
    waits = []
    for number in range(TRIES):
        ready(page, "Explore")
        words = kept.all_inner_texts()
        started = time.monotonic()
        share.fill("5" if number % 2 else "100")
        share.press("Enter")
        # Asked from here: the page's own rules forbid the `eval` that a wait inside it may need.
        while kept.all_inner_texts() == words and time.monotonic() - started < GIVE_UP_S:
            time.sleep(0.01)
        waits.append(time.monotonic() - started)
    say(f"share of labelled pixels in the patch grid, until its numbers answer, median of {TRIES}", statistics.median(waits))
    page.goto(f"{address}/Explore?data=sample_data%2Ftown&explore_tab=One+scene&scene=town_whole")
    viewer = page.locator(".gl-viewer")
    viewer.locator("canvas.leaflet-tile-loaded").first.wait_for()
    ready(page, "Explore")
    page.wait_for_timeout(1000)
    waits = [viewer.get_by_label("Opacity").first.evaluate(REPAINT, 0.2 + 0.1 * number) for number in range(TRIES)]
    say(f"slider of the viewer, until it is painted, median of {TRIES}", statistics.median(waits) / 1000)


def corrections(page: Page, address: str, raster: Path) -> None:
    """From the click that gives a polygon another class until the map shows it, on a layer of more polygons than a map draws."""
    random = np.random.default_rng(0)
    raster.parent.mkdir(parents=True, exist_ok=True)
    ids = np.argmax([gaussian_filter(random.normal(size=(2048, 2048)).astype(np.float32), 3.0) for _ in range(4)], axis=0)
    place = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 325000, 0, -0.5, 2786000)}
    with rasterio.open(raster, "w", driver="GTiff", height=2048, width=2048, count=1, dtype="uint8", **place) as out:
        out.write(ids.astype(np.uint8), 1)
    page.goto(f"{address}/Map")
    page.get_by_role("button", name="More").first.click()
    page.get_by_role("textbox", name="Class raster").fill(str(raster))
    page.keyboard.press("Enter")
    ready(page, "Map")
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Open raster").click()
    frame = page.frame_locator("iframe").first
    frame.locator("body[data-polygons]").wait_for()
    waits = []
    for number in range(TRIES):
        frame.locator("tr[data-id]").nth(number + 1).click()
        page.wait_for_timeout(2000)
        classes = frame.get_by_label("Class for the selection")
        names = classes.evaluate("select => [...select.options].map(option => option.value)")
        classes.select_option(next(name for name in names if name != classes.input_value()))
        shown = frame.locator("body").get_attribute("data-features")
        started = time.monotonic()
        frame.get_by_role("button", name="Change class", exact=True).click()
        frame.locator(f"body:not([data-features='{shown}'])").wait_for()
        waits.append(time.monotonic() - started)
    say(f"another class for one of 35,000 polygons, median of {TRIES}", statistics.median(waits))


def ready(page: Page, name: str) -> None:
    """Wait until the page's script has run to its end."""
    page.locator("[data-test-script-state='notRunning']").first.wait_for(state="attached")
    page.get_by_role("heading", name=HEADINGS.get(name, name)).first.wait_for()


def until(done: Callable[[], None]) -> float:
    """Further seconds until something is done."""
    started = time.monotonic()
    done()
    return time.monotonic() - started


def say(what: str, seconds: float, more: float | None = None) -> None:
    """Print one wait, and keep it."""
    keep(what, "s", seconds)
    if more is not None:
        keep(f"{what}; complete", "s", seconds + more)
    print(f"{what:68s} {seconds:6.2f} s" + (f", complete after {seconds + more:.2f} s" if more is not None else ""), flush=True)


if __name__ == "__main__":
    main()
