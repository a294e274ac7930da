"""Compiling beforehand what a first prediction, correction and stroke would wait for: `python -m core.jobs.warming`.

The dashboard starts it when it is served, so that it works while the person reads the first page. Where all is compiled it ends at once.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from core.compiling import cache_folder

DONE_FILE, _LOCK = "warm", "warming.lock"
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

    from core.labelling.classifier import fit
    from core.labelling.kernels import pool
    from core.vector.editing.applying import apply
    from core.vector.editing.log import Corrections
    from core.vector.vectorize import vectorize
    from core.verbs import registry
    from core.verbs.demo import SAMPLE_SCENE

    with tempfile.TemporaryDirectory(prefix="groundline-warming-") as place, rasterio.open(SAMPLE_SCENE) as scene:
        cutting = Path(place) / "cutting.tif"
        pixels = scene.read(window=((0, _SIDE_PX), (0, _SIDE_PX)))
        with rasterio.open(
            cutting, "w", driver="GTiff", height=_SIDE_PX, width=_SIDE_PX, count=3, dtype="uint8", crs=scene.crs, transform=scene.transform
        ) as file:
            file.write(pixels)
        made = registry.run("demo", {"scene": str(cutting), "out": str(Path(place) / "out")})
        layer = vectorize(made["predict"]["folder"]).layer
        apply(layer, Corrections().delete(layer.frame["id"].tolist()[:1]))
    colours = pixels.reshape(3, -1).T.astype(np.float16)
    halves = np.arange(len(colours)) % 2
    said = fit(colours[:64], halves[:64], classes=2).probabilities(colours)
    pool(np.zeros((len(said), 0), np.float32), said, np.arange(2), np.float32(1), np.zeros_like(said))


if __name__ == "__main__":
    sys.exit(main())
