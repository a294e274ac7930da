"""Label raster to polygons: ours against the usual way, as ratios from one run.

    python bench/vectorize.py [--size 4096] [--repeat 3] [--scaling]

The usual way is rasterio.features.shapes, GeoDataFrame.from_features and .simplify. Ours ends with attributes and a checked coverage, the
usual way with bare polygons that overlap and leave gaps. Each way runs in a process of its own that reads the raster from a file, so that
its memory is its own; times are processor seconds, medians of the repeats after one warming run on a small raster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 6
BLUR_PX = {"noisy": 3, "smooth": 16}
"""Radius of the box blur, run three times, of the random fields whose largest one is the class."""


def _blur(field: np.ndarray, radius: int) -> np.ndarray:
    """Box blur along both axes, with wrapped ends, by running sums."""
    for axis in (0, 1, 0, 1, 0, 1):
        padded = np.concatenate([np.take(field, range(-radius - 1, 0), axis), field, np.take(field, range(radius), axis)], axis)
        sums = np.cumsum(padded, axis, dtype=np.float64)
        wide = 2 * radius + 1
        high, low = np.take(sums, range(wide, sums.shape[axis]), axis), np.take(sums, range(sums.shape[axis] - wide), axis)
        field = ((high - low) / wide).astype(np.float32)
    return field


def make_raster(size: int, kind: str, *, seed: int = 0) -> np.ndarray:
    """Class ids uint8 (size, size): the largest of six blurred random fields; the noisy kind has single pixels flipped besides."""
    rng = np.random.default_rng(seed)
    best = np.full((size, size), -np.inf, np.float32)
    ids = np.zeros((size, size), np.uint8)
    for class_id in range(CLASSES):
        field = _blur(rng.standard_normal((size, size), dtype=np.float32), BLUR_PX[kind])
        ids[field > best] = class_id
        np.maximum(best, field, out=best)
    if kind == "noisy":
        flipped = rng.random((size, size), dtype=np.float32) < 0.015
        ids[flipped] = rng.integers(0, CLASSES, int(flipped.sum()), dtype=np.uint8)
    return ids


def ours(ids: np.ndarray, geo, min_area: str) -> int:
    """Our way, all included."""
    from core.vector.layers import vectorize

    return len(vectorize(ids, geo=geo, min_area=min_area, simplify="1px").layer.frame)


def usual(ids: np.ndarray, geo, min_area: str) -> int:
    """The usual way: features one by one, each polygon simplified alone; specks are sieved first when there is a minimum area."""
    import geopandas as gpd
    from rasterio.features import shapes, sieve

    if min_area != "0":
        ids = sieve(ids, int(min_area.rstrip("px")), connectivity=4)
    features = [
        {"type": "Feature", "properties": {"class_id": int(value)}, "geometry": shape}
        for shape, value in shapes(ids, connectivity=4, transform=geo.transform)
    ]
    frame = gpd.GeoDataFrame.from_features(features, crs=geo.crs)
    frame["geometry"] = frame.geometry.simplify(geo.transform.a)
    return len(frame)


def measure(way: str, raster: str, min_area: str, repeat: int) -> dict:
    """Processor seconds (median), extra memory in MiB and polygons of one way; runs in this process."""
    from affine import Affine
    from pyproj import CRS

    from core.geo import GeoRef

    function = {"ours": ours, "usual": usual}[way]
    geo = GeoRef(Affine(0.3, 0, 325000, 0, -0.3, 2784000), CRS.from_epsg(32640))
    ids = np.load(raster)
    function(np.ascontiguousarray(ids[:256, :256]), geo, min_area)
    process, stopped = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not stopped.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds, polygons = [], 0
    for _ in range(repeat):
        began = time.process_time()
        polygons = function(ids, geo, min_area)
        seconds.append(time.process_time() - began)
    stopped.set()
    watcher.join()
    return {"seconds": statistics.median(seconds), "extra_mib": (peak - before) / 2**20, "polygons": polygons}


def in_own_process(way: str, ids: np.ndarray, min_area: str, repeat: int) -> dict:
    """`measure` in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "ids.npy", ids)
        request = json.dumps([way, str(Path(folder) / "ids.npy"), min_area, repeat])
        command = [sys.executable, str(Path(__file__).resolve()), "--one", request]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--scaling", action="store_true", help="ours from 1024 to 8192, to see that time grows with the pixels")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*json.loads(arguments.one))))
        return
    print(f"{arguments.size} x {arguments.size}, {CLASSES} classes, processor seconds, median of {arguments.repeat}")
    for kind in BLUR_PX:
        ids = make_raster(arguments.size, kind)
        for min_area in ("0", "4px"):
            mine, other = (in_own_process(way, ids, min_area, arguments.repeat) for way in ("ours", "usual"))
            print(f"{kind}, min area {min_area}")
            for name, found in (("ours", mine), ("usual", other)):
                print(f"    {name:6} {found['seconds']:7.2f} s {found['extra_mib']:7.0f} MiB {found['polygons']:8} polygons")
            less = other["extra_mib"] / max(1.0, mine["extra_mib"])
            print(f"    ratio  {other['seconds'] / mine['seconds']:7.1f} x faster, {less:.1f} x less memory", flush=True)
    if arguments.scaling:
        for size in (1024, 2048, 4096, 8192):
            found = in_own_process("ours", make_raster(size, "noisy"), "4px", 1)
            each = found["seconds"] / (size / 1024) ** 2
            print(
                f"noisy {size:5}: {found['seconds']:6.2f} s, {each:.3f} s for each 1024 x 1024 pixels, {found['extra_mib']:.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
