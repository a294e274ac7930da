"""How long a person waits for a new process: first answers, a small scene from nothing to its files, and what is compiled once.

Run `python bench/start.py`. Each figure is that of processes of their own, by the clock and of the processor; medians where a row
says how many. The package boto3, which only our tests need, is hidden from them: where it is installed, rasterio takes it in at each start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import rasterio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.records import keep  # noqa: E402
from core.compiling import cache_folder  # noqa: E402
from core.jobs.warming import DONE_FILE  # noqa: E402
from core.verbs.demo import SAMPLE_SCENE  # noqa: E402

SIDE_PX = 512
MODELS = ("sample-town", "dubai-landcover-fast")
_STARTS = "import runpy, sys; sys.modules['boto3'] = None; runpy.run_module({name!r}, run_name='__main__')"


def main() -> int:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9, help="processes for each median")
    parser.add_argument("--without-compiling", action="store_true", help="leave out what takes longest")
    options = parser.parse_args()
    print(f"{'what':72s} {'seconds':>8s} {'of processor':>13s}")
    with tempfile.TemporaryDirectory(prefix="groundline-bench-") as name:
        folder = Path(name)
        answers = {
            "help": ["--help"],
            "help of predict": ["predict", "--help"],
            "the list of models": ["models"],
            "a flag that is missing": ["vectorize", "nothing"],
            "a model that is not there": ["predict", "nothing.h5", str(SAMPLE_SCENE), str(folder / "none")],
            "a data set that is not there": ["audit", str(folder / "nothing")],
        }
        for what, words in answers.items():
            show(f"first answer: {what}", [ran(words) for _ in range(options.repeat)])
        small = cutting(folder / "small.tif")
        for model in MODELS:
            repeats = range(1 + max(3, options.repeat // 2))  # the first finds what is compiled on the disk cold
            runs = [ran(["predict", model, str(small), str(folder / f"{model}-{number}")]) for number in repeats]
            show(f"predict {SIDE_PX} x {SIDE_PX} with {model}, to its files", runs[1:])
        if not options.without_compiling:
            compiling(folder / "machine-code")
    return 0


def compiling(folder: Path) -> None:
    """What a new clone compiles, while its first page is read: the same work without and with machine code on the disk."""
    kernels = {"NUMBA_CACHE_DIR": str(folder)}
    cold = ran([], "core.jobs.warming", **kernels)
    (folder / cache_folder().name / DONE_FILE).unlink()
    warm = ran([], "core.jobs.warming", **kernels)
    show("kernels of a new clone, compiled once", [(cold[0] - warm[0], cold[1] - warm[1])])


def ran(words: Sequence[str], module: str = "core", **environment: str) -> tuple[float, float]:
    """Seconds by the clock and of the processor of `python -m module words`, however it ends."""
    before, start = os.times(), time.perf_counter()
    given = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    subprocess.run([sys.executable, "-c", _STARTS.format(name=module), *words], cwd=ROOT, env=given, capture_output=True)
    seconds, after = time.perf_counter() - start, os.times()
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def cutting(path: Path) -> Path:
    """A corner of the sample's scene."""
    with rasterio.open(SAMPLE_SCENE) as scene:
        pixels = scene.read(window=((0, SIDE_PX), (0, SIDE_PX)))
        profile = {"driver": "GTiff", "height": SIDE_PX, "width": SIDE_PX, "count": len(pixels), "dtype": pixels.dtype}
        with rasterio.open(path, "w", crs=scene.crs, transform=scene.transform, **profile) as out:
            out.write(pixels)
    return path


def show(what: str, runs: Sequence[tuple[float, float]]) -> None:
    """Print and keep the medians of some runs."""
    seconds, worked = (statistics.median(values) for values in zip(*runs, strict=True))
    many = f", median of {len(runs)}" if len(runs) > 1 else ""
    print(f"{what + many:72s} {seconds:8.2f} {worked:13.2f}", flush=True)
    keep(what + many, "s", seconds)
    keep(what + many, "processor s", worked)


if __name__ == "__main__":
    raise SystemExit(main())
