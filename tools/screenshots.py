"""Take the pictures of the README: `python tools/screenshots.py` writes docs/{home,explore,train,predict,map}.png, and dark ones.

Starts the dashboard on a free port with a workspace of its own, runs the sample, trains a small network for a few epochs, and
visits the pages with Chromium through playwright (requirements-dev.txt). Takes some minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from tools.serving import PATIENCE_S, dashboard  # noqa: E402

SIZE = {"width": 1440, "height": 900}
MOST_BYTES = 350_000
EPOCHS = 8
READY = {
    "home": (".st-key-sample_map button",),
    "explore": (".js-plotly-plot",),
    "train": (".js-plotly-plot",),
    "predict": (".gl-viewer canvas.leaflet-tile-loaded",),
    "map": ("body[data-polygons]", ".st-key-map_download_gpkg button"),
}
DARK = ("home", "predict", "map")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PROJECT / "docs", help="folder of the pictures")
    parser.add_argument(
        "--chromium", default=os.environ.get("CHROMIUM") or shutil.which("chromium"), help="browser; playwright's own if none"
    )
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="groundline-pictures-") as workspace, dashboard(Path(workspace)) as address:
        train(Path(workspace))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=asked.chromium, args=QUIET)
            run_sample(visitor(browser, "light"), address)
            for theme, names in (("light", tuple(READY)), ("dark", DARK)):
                page = visitor(browser, theme)
                for name in names:
                    visit(page, f"{address}/{'' if name == 'home' else name.capitalize()}", READY[name])
                    picture(page, asked.out / (f"{name}.png" if theme == "light" else f"{name}-dark.png"))
            browser.close()


def wait_for(answer) -> None:
    """Ask until the answer is true; connection errors count as no."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if answer():
                return
        time.sleep(1)
    raise TimeoutError(f"nothing came within {PATIENCE_S} s")


def train(workspace: Path) -> None:
    """Prepare the sample at a quarter of its size and train a small U-Net on it, as the Train page would."""
    from core.jobs import jobs
    from core.workspace import Workspace

    place = Workspace(workspace / "workspace")
    sample = {"dataset": PROJECT / "sample_data" / "town", "patch_size": 128, "stride": 64, "scale": 0.25, "split": "block"}
    prepared = jobs.start("prepare", sample, workspace=place, title="Sample town")
    finish(prepared)
    settings = {"architecture": "unet", "epochs": EPOCHS, "batch_size": 8, "seed": 1}
    finish(
        jobs.start("train", {"prepared": prepared.result()["folder"], "settings": settings}, workspace=place, title="U-Net, a first try")
    )


def finish(job) -> None:
    """Wait for the end of a job, and fail as it failed."""
    wait_for(lambda: not job.active)
    if job.status()["state"] != "finished":
        raise SystemExit(f"{job.kind} ended as {job.status()['state']}: {job.status()['error'] or job.log_tail(5)}")


def visitor(browser: Browser, theme: str) -> Page:
    """A page of somebody who was never here, and whose system is "light" or "dark"."""
    page = browser.new_context(viewport=SIZE, color_scheme=theme).new_page()
    page.set_default_timeout(1000 * PATIENCE_S)
    return page


def run_sample(page: Page, address: str) -> None:
    """Run the sample from Home."""
    page.goto(address)
    page.get_by_role("button", name="Try the sample").click()
    page.wait_for_url("**/Map")  # by itself


def visit(page: Page, address: str, ready: Sequence[str]) -> None:
    """Open a page and wait for what it shows last, as CSS selectors; the map's are looked for in its frame."""
    page.goto(address)
    for selector in ready:
        inside = page.frame_locator("iframe") if selector.startswith("body") else page
        inside.locator(selector).first.wait_for()


def picture(page: Page, path: Path) -> None:
    """Save what is on screen, once nothing changes any more, with as many colours as fit the size."""
    last = b""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        page.wait_for_timeout(2500)
        shot = page.screenshot(animations="disabled", caret="hide")
        if shot == last and not page.get_by_test_id("stStatusWidget").count():
            break
        last = shot
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    for colours in (256, 192, 128, 96, 64):
        small = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if small.tell() <= MOST_BYTES:
            break
    path.write_bytes(small.getvalue())
    print(f"{path.name}: {small.tell() / 1000:.0f} kB, {colours} colours", flush=True)


if __name__ == "__main__":
    main()
