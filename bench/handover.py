"""The web map of a folder to hand over with 100,000 polygons: seconds to make it, and frames in Chromium while it is moved.

    python bench/handover.py [--polygons 100000] [--chromium PATH]

The polygons are blocks of five classes with rough borders. Frames are counted by the page's own clock (requestAnimationFrame): a screen of
60 a second gives one each 16.7 ms; told are the median, the 95th percentile and the longest pause, at rest, while the map is dragged,
pointed at and zoomed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS
from scipy.ndimage import zoom

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.records import keep  # noqa: E402
from core.classes import DUBAI  # noqa: E402
from core.geo import GeoRef  # noqa: E402
from core.handover.catalogue import Caption  # noqa: E402
from core.handover.folder import hand_over  # noqa: E402
from core.vector.layer import PolygonLayer  # noqa: E402
from core.vector.vectorize import vectorize  # noqa: E402

CELL_PX, PIXEL_M = 12, 0.5
_COUNT = """() => { window.frames_ = []; window.counts_ = true;
  (function next(now) { window.frames_.push(now); if (window.counts_) { requestAnimationFrame(next); } })(performance.now()); }"""


def blocks(polygons: int, seed: int = 0) -> PolygonLayer:
    """About so many polygons: cells of random classes, pushed about so that no border is straight."""
    rng = np.random.default_rng(seed)
    side = round((1.87 * polygons) ** 0.5)  # neighbours of one class grow together
    size = side * CELL_PX
    push = zoom(rng.normal(0, 4, (2, side, side)), (1, CELL_PX, CELL_PX), order=1)
    rows, cols = np.indices((size, size)) + push.round().astype(int)
    ids = rng.integers(0, 5, (side, side)).astype(np.uint8)
    labels = ids[np.clip(rows // CELL_PX, 0, side - 1), np.clip(cols // CELL_PX, 0, side - 1)]
    geo = GeoRef(Affine(PIXEL_M, 0, 325000, 0, -PIXEL_M, 2784000), CRS.from_epsg(32640))
    np.save(_FOLDER / "labels.npy", labels)
    return vectorize(labels, geo=geo, scheme=DUBAI.natural(), min_area=8).layer


def frames(page: Path, chromium: str) -> None:
    """Open the page by its file and tell how evenly frames came."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        begun = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_function("document.getElementById('news').hidden", timeout=120_000)
        drawn = time.perf_counter() - begun
        print(f"all drawn after {drawn:.1f} s")
        keep("the web map, until all is drawn", "s", drawn)

        def drag() -> None:
            tab.mouse.move(600, 450)
            tab.mouse.down()
            for step in range(120):
                tab.mouse.move(600 - 3 * step, 450 + 2 * step)
                tab.wait_for_timeout(8)
            tab.mouse.up()
            tab.wait_for_timeout(600)

        def point() -> None:
            for step in range(150):
                tab.mouse.move(300 + 3 * step, 300 + 2 * step)
                tab.wait_for_timeout(8)

        def closer() -> None:
            tab.mouse.move(600, 450)
            for _ in range(3):
                tab.mouse.wheel(0, -400)
                tab.wait_for_timeout(900)

        for name, act in (("at rest", lambda: tab.wait_for_timeout(2000)), ("dragged", drag), ("pointed at", point), ("zoomed", closer)):
            tab.evaluate(_COUNT)
            act()
            times = np.array(tab.evaluate("() => { window.counts_ = false; return window.frames_; }"))
            gaps = np.diff(times)
            # Some builds of Chromium give more than one frame to a screen's: those within 5 ms are one.
            gaps = np.diff(times[np.concatenate([[True], gaps > 5])])
            median, late = np.percentile(gaps, (50, 95))
            keep(f"frames of the web map, {name}: 95 % within", "ms", late)
            print(f"{name}: median {median:.1f} ms, 95 % within {late:.1f} ms, longest {gaps.max():.0f} ms ({len(gaps)} frames)")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--polygons", type=int, default=100_000)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-headless-shell"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _FOLDER = Path(name)
        layer = blocks(asked.polygons)
        start, worked = time.perf_counter(), time.process_time()
        answer = hand_over(_FOLDER / "out", layer, _FOLDER / "labels.npy", told=Caption("Blocks", "A benchmark."))
        sizes = {entry["path"]: entry["bytes"] for entry in answer["files"]}
        seconds, megabytes = time.perf_counter() - start, sizes["polygons.pmtiles"] / 1e6
        print(f"{len(layer.frame):,} polygons, folder made in {seconds:.0f} s, tiles {megabytes:.1f} MB")
        keep(f"the folder to hand over of {len(layer.frame):,} polygons", "processor s", time.process_time() - worked)
        frames(_FOLDER / "out" / "map.html", asked.chromium)
