"""How long it takes until a large scene, or a long list of pairs, is there to be looked at.

Run `python bench/open.py`. Files are generated in a temporary folder: one GeoTIFF of 9000 x 9000 pixels, and thousands of
pairs of 1024 x 1024 as hard links to a few. Times are of a process that has everything imported: by the
clock on the wall, which other work on the machine stretches, and of the processor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.prepare import generate  # noqa: E402
from bench.records import keep  # noqa: E402
from core.datasets.datasets import open_dataset  # noqa: E402
from core.scenes.display import display_rgb  # noqa: E402
from core.scenes.opening import open_scene  # noqa: E402
from core.scenes.scene import Window  # noqa: E402


def main() -> int:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=9000, help="side of the large GeoTIFF in pixels")
    parser.add_argument("--pairs", type=int, default=3000, help="number of pairs")
    options = parser.parse_args()
    print(f"{'step':52s} {'seconds':>8s} {'of processor':>13s}")
    with tempfile.TemporaryDirectory(prefix="groundline-bench-") as name:
        large = Path(name) / "large.tif"
        write_large(large, options.side)
        what = f"{options.side} x {options.side} GeoTIFF"
        timed(f"{what}: open", lambda: open_scene(large))
        timed(f"{what}: open and read a 512 px window", lambda: open_scene(large).read(Window(4000, 4000, 512, 512)))
        timed(f"{what}: open and draw 600 px", lambda: display_rgb(open_scene(large), out_shape=(600, 600)))
        folder = generate(Path(name) / "many", options.pairs)
        timed(f"{options.pairs} pairs: list", lambda: open_dataset(folder).pairs)
        timed(f"{options.pairs} pairs: digest", lambda: open_dataset(folder).digest)
    return 0


def timed(title: str, work) -> None:
    """Run it once and print how long it took, and how much of that the processor worked for it."""
    start, worked = time.perf_counter(), time.process_time()
    work()
    seconds, of_processor = time.perf_counter() - start, time.process_time() - worked
    print(f"{title:52s} {seconds:8.2f} {of_processor:13.2f}")
    keep(title, "processor s", of_processor)


def write_large(path: Path, side: int) -> None:
    """A tiled RGB GeoTIFF with noise, written in strips so that it need not be held whole."""
    profile = dict(driver="GTiff", height=side, width=side, count=3, dtype="uint8", tiled=True, compress="deflate", crs="EPSG:32640")
    random = np.random.default_rng(0)
    with rasterio.open(path, "w", transform=rasterio.Affine(0.5, 0, 3e5, 0, -0.5, 2.8e6), **profile) as out:
        for row in range(0, side, 512):
            rows = min(512, side - row)
            pixels = random.integers(0, 16, (3, rows, side), dtype=np.uint8)
            out.write(pixels, window=rasterio.windows.Window(0, row, side, rows))


if __name__ == "__main__":
    raise SystemExit(main())
