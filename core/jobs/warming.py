"""Compiling beforehand what a first prediction, correction and stroke would wait for: `python -m core.jobs.warming`.

The dashboard starts it when it is served, so that it works while the person reads the first page. Where all is compiled it ends at once.
numba compiles one thing at a time, so a second process (`... warming outlines`) does a part: each finds on the disk what the other did.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from core.compiling import cache_folder
from core.workspace import PROJECT

DONE_FILE, _LOCK, _OUTLINES = "warm", "warming.lock", "outlines"
_SIDE_PX = 640
"""Of the cutting that is worked on: enough for holes, borders of three classes, areas that are merged, and overviews."""


def main() -> int:
    """Compile what is not compiled yet; 0 also where another process is at it, or nothing can be written."""
    folder = cache_folder()
    if (folder / DONE_FILE).exists():
        return 0
    # Loaded only where there is something to do: this is asked at each start of the dashboard.
    from core.jobs.worker import be_nice
    from core.verbs.demo import SAMPLE_SCENE

    if not SAMPLE_SCENE.exists():
        return 0
    be_nice()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, blocking=False):
            work()
            (folder / DONE_FILE).touch()
    except (Timeout, OSError):
        pass
    return 0


def work() -> None:
    """Do once, on a cutting of the sample, what people wait for; the code that it takes stays on the disk."""
    import rasterio

    from core.vector.editing.applying import apply
    from core.vector.editing.log import Corrections
    from core.verbs import registry
    from core.verbs.demo import SAMPLE_SCENE, DemoRequest

    with _beside(_OUTLINES) as done, tempfile.TemporaryDirectory(prefix="groundline-warming-") as place:
        cutting, out = Path(place) / "cutting.tif", Path(place) / "out"
        with rasterio.open(SAMPLE_SCENE) as scene:
            pixels = scene.read(window=((0, _SIDE_PX), (0, _SIDE_PX)))
            kept = dict(height=_SIDE_PX, width=_SIDE_PX, count=3, dtype="uint8", crs=scene.crs, transform=scene.transform)
        with rasterio.open(cutting, "w", driver="GTiff", **kept) as file:
            file.write(pixels)
        registry.run("predict", {"model": DemoRequest().model, "scene": str(cutting), "out": str(out)})

        from core.vector.vectorize import vectorize

        vectorize(out, min_area="0")  # the other one is at what merges small areas
        done.wait()
        layer = vectorize(out).layer
        apply(layer, Corrections().delete(layer.frame["id"].tolist()[:1]))


def outlines() -> None:
    """What the other process comes to late or not at all, on numbers without meaning: tracing, merging, measuring, checking, strokes."""
    from core.labelling.classifier import fit
    from core.labelling.kernels import pool
    from core.vector.tracing.arcs import merge_small_regions, trace_arcs
    from core.vector.tracing.measures import boundary_code, measure_polygons
    from core.vector.tracing.validity import proven_valid

    ids = np.random.default_rng(0).integers(0, 3, (64, 64)).astype(np.uint8)
    merge_small_regions(trace_arcs(lambda top, bottom: ids[top:bottom], *ids.shape), 9, 255)
    box, ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], np.float64), np.array([0, 5])
    proven_valid(box, ends, np.arange(2))
    measure_polygons(box, ends, np.arange(2))
    boundary_code(box, ends, np.ones(1, np.int8))
    colours = np.linspace(0, 1, 3 * 4096).reshape(3, -1).T.astype(np.float16)
    halves = np.arange(len(colours)) % 2
    said = fit(colours[:64], halves[:64], classes=2).probabilities(colours)
    pool(np.zeros((len(said), 0), np.float32), said, np.arange(2), np.float32(1), np.zeros_like(said))


@contextlib.contextmanager
def _beside(part: str) -> Iterator[subprocess.Popen]:
    """Another process of this kind, which ends when this one has ended its work."""
    process = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, part], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    if sys.argv[1:] == [_OUTLINES]:
        outlines()
    else:
        sys.exit(main())
