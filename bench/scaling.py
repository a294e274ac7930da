"""Prediction on clusters: two workers against one, measured, and what 1 to 1000 workers take, simulated from what was measured.

    python bench/scaling.py [--model MODEL] [--size 4096] [--repeat 2] [--only speedup|costs|simulate]
    python bench/scaling.py --only simulate --costs FILE [--area 100000] [--gsd 0.3] [--price 0.05] [--bandwidth 1000]

speedup    one scene by `--cluster local:1` on one core and `local:2` on two, and by one process that is held to one core and to two
costs      what a block, a scene, a task and a worker's start take; written to --costs as JSON, so that it can be simulated again
simulate   a country in scenes of 10,000 x 10,000 pixels, a scene to a worker, and one scene of 100,000 x 100,000 in blocks whose
           overviews and files this process makes alone; hours, and the price of a square kilometre at --price for a core-hour

The simulation hands tasks to the workers one after the other, at the rate that the scheduler was measured with; a worker starts once; all
share a store that reads and writes --bandwidth MB in a second. Task times are drawn from those that were measured. It knows nothing of
lost workers. Every figure holds for the cores of the machine that measured it.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.records import keep  # noqa: E402
from core.cluster.connecting import connected  # noqa: E402
from core.cluster.where import Where  # noqa: E402
from core.files import write_json  # noqa: E402
from core.scenes.opening import open_scene  # noqa: E402

TILE = ROOT / "sample_data" / "landcover" / "images" / "village.tif"
SCENE_PX, LARGE_PX = 10_000, 100_000
WORKERS = (1, 10, 100, 1000)


def write_scene(path: Path, size: int) -> None:
    """A square scene of real texture: a picture of the sample, mirrored on and on."""
    picture = open_scene(TILE).read()
    mirrored = np.concatenate([picture, picture[::-1]])
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], axis=1)
    rows, cols = (np.arange(size) % length for length in mirrored.shape[:2])
    profile = dict(
        driver="GTiff", height=size, width=size, count=3, dtype="uint8", tiled=True, blockxsize=512, blockysize=512, compress="jpeg"
    )
    with rasterio.open(path, "w", **profile) as file:
        file.write(mirrored[np.ix_(rows, cols)].transpose(2, 0, 1))


def predict(model: str, scene: Path, out: Path, *words: str, cores: int | None = None) -> dict:
    """One run of the command line, held to so many cores; its answer, with the seconds on the clock."""
    limit = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))] if cores else []
    command = [*limit, sys.executable, "-m", "core", "predict", model, str(scene), str(out), *words, "--json"]
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(cores)} if cores else {})}
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "clock": time.perf_counter() - begun}


def speedup(model: str, size: int, repeat: int) -> None:
    """Print two workers against one, and against one process."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.tif"
        write_scene(scene, size)
        ways = {"one process on one core": ((), 1), "one process on two cores": ((), 2)}
        # A worker's reading, network and writing overlap: it is held to one core, as workers of a full machine are.
        ways |= {f"--cluster local:{count}": (("--cluster", f"local:{count}"), count) for count in (1, 2)}
        found: dict[str, list[dict]] = {name: [] for name in ways}
        for number in range(repeat):  # by turns, so that what else the machine does meets all
            for name, (words, cores) in ways.items():
                found[name].append(predict(model, scene, Path(folder) / f"{name} {number}", *words, cores=cores))
    print(f"{size} x {size} pixels, {model}, medians of {repeat}")
    base = statistics.median(one["clock"] for one in found["--cluster local:1"])
    two = statistics.median(one["clock"] for one in found["--cluster local:2"])
    keep(f"{size} x {size} pixels by two workers, start counted in", "s", two, "one worker", base, key="two workers")
    for name, ones in found.items():
        clock = statistics.median(one["clock"] for one in ones)
        parts = f", {ones[0]['cluster']['done']} blocks" if "cluster" in ones[0] else ""
        print(f"{name:28} {clock:7.1f} s all told, {base / clock:.2f} times local:1{parts}")


def measure(model: str, size: int) -> dict:
    """What tasks cost here: seconds of a block for each million pixels, of the files, of a task that does nothing, of a start."""
    from core.model_store.models import find_model
    from core.prediction import predict as whole

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # all that follows takes one core together
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.tif"
        write_scene(scene, size)
        begun = time.perf_counter()
        made = whole.predict(find_model(model), scene, Path(folder) / "out", cluster=Where(workers=1))
        clock = time.perf_counter() - begun
        kept = sum(file.stat().st_size for file in (Path(folder) / "out").rglob("*") if file.is_file())
        read = scene.stat().st_size
        small = Path(folder) / "small.tif"
        write_scene(small, 512)
        begun = time.perf_counter()
        whole.predict(find_model(model), small, Path(folder) / "small", cluster=Where(workers=1))
        start = time.perf_counter() - begun
    million = size * size / 1e6
    blocks = made.driven.seconds
    with connected(Where(workers=1)) as client:
        client.gather(client.map(int, range(10)))
        begun = time.perf_counter()
        client.gather(client.map(abs, range(2000)))
        task = (time.perf_counter() - begun) / 2000
    return {
        "model": model,
        "block_s_per_mpx": [seconds * len(blocks) / million for seconds in blocks],
        # What is neither blocks nor the start: merging, overviews, compression.
        "files_s_per_mpx": max(0.0, clock - sum(blocks) - start) / million,
        "task_s": task,
        "start_s": start,
        "read_bytes_per_px": read / (size * size),
        "written_bytes_per_px": kept / (size * size),
    }


def simulated(durations: np.ndarray, moved_mb: float, workers: int, costs: dict, bandwidth: float) -> tuple[float, float]:
    """Seconds until all tasks are done, and the share of the workers' time in which they had work."""
    free = [0.0] * min(workers, len(durations))
    heapq.heapify(free)
    started, given, store, busy, end = 0, 0.0, 0.0, 0.0, 0.0
    for seconds in durations:
        given += costs["task_s"]  # the scheduler hands them out one after the other
        at = max(heapq.heappop(free), given)
        if started < len(free) + 1 and started < workers:
            at, started = at + costs["start_s"], started + 1
        store = max(store, at) + moved_mb / bandwidth  # one store serves all
        done = max(at + seconds, store)
        busy += seconds
        end = max(end, done)
        heapq.heappush(free, done)
    return end, busy / (end * workers)


def simulate(costs: dict, area_km2: float, gsd_m: float, price: float, bandwidth: float) -> None:
    """Print the two tables."""
    rng = np.random.default_rng(0)
    rates, files = np.array(costs["block_s_per_mpx"]), costs["files_s_per_mpx"]
    moved = (costs["read_bytes_per_px"] + costs["written_bytes_per_px"]) * 1e-6
    scene_km2 = (SCENE_PX * gsd_m / 1000) ** 2
    scenes = max(1, round(area_km2 / scene_km2))
    task_ms = 1000 * costs["task_s"]
    print(f"{costs['model']}: {np.mean(rates):.3f} s a million pixels in blocks, {files:.3f} s in files, {task_ms:.2f} ms a task")
    core = 3600 / (np.mean(rates) + files) * gsd_m**2
    print(f"one core: {core:.0f} km2 an hour at {gsd_m:g} m, {price / core:.5f} a km2 at {price:g} a core-hour\n")
    print(f"| workers | {scenes:,} scenes of {SCENE_PX:,} px ({area_km2:,.0f} km2) | core-hours busy | price a km2 |")
    print("|---|---|---|---|")
    million = SCENE_PX**2 / 1e6
    for workers in WORKERS:
        durations = (rng.choice(rates, scenes) + files) * million
        end, busy = simulated(durations, moved * SCENE_PX**2, workers, costs, bandwidth)
        cost = end / 3600 * workers * price / (scenes * scene_km2)
        print(f"| {workers} | {end / 3600:,.2f} h | {busy:.0%} | {cost:.5f} |")
    block_px = 2048 * 6144
    blocks = round(LARGE_PX**2 / block_px)
    large_km2 = (LARGE_PX * gsd_m / 1000) ** 2
    print(f"\n| workers | one scene of {LARGE_PX:,} px in {blocks} blocks ({large_km2:,.0f} km2) | of it files, on one core |")
    print("|---|---|---|")
    alone = files * LARGE_PX**2 / 1e6
    for workers in WORKERS:
        durations = rng.choice(rates, blocks) * block_px / 1e6
        end, _ = simulated(durations, moved * block_px, workers, costs, bandwidth)
        print(f"| {workers} | {(end + alone) / 3600:,.2f} h | {alone / (end + alone):.0%} |")
    by_store = bandwidth / (moved * 1e6) * (np.mean(rates) + files)
    by_scheduler = (np.mean(rates) + files) * million / costs["task_s"]
    print(
        f"\nThe store of {bandwidth:g} MB/s is full at {by_store:,.0f} workers; the scheduler, with a scene a task, at {by_scheduler:,.0f}."
    )


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="dubai-landcover-fast")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", choices=("speedup", "costs", "simulate"))
    parser.add_argument("--costs", type=Path)
    parser.add_argument("--area", type=float, default=100_000, help="km2")
    parser.add_argument("--gsd", type=float, default=0.3, help="metres per pixel")
    parser.add_argument("--price", type=float, default=0.05, help="of a core-hour, in any currency")
    parser.add_argument("--bandwidth", type=float, default=1000, help="MB in a second of the shared store")
    chosen = parser.parse_args()
    if chosen.only in (None, "speedup"):
        speedup(chosen.model, chosen.size, chosen.repeat)
    if chosen.only in (None, "costs") or (chosen.only == "simulate" and not (chosen.costs and chosen.costs.exists())):
        costs = measure(chosen.model, chosen.size)
        print(json.dumps(costs))
        if chosen.costs:
            write_json(chosen.costs, costs)
    elif chosen.only == "simulate":
        costs = json.loads(chosen.costs.read_text())
    if chosen.only in (None, "simulate"):
        simulate(costs, chosen.area, chosen.gsd, chosen.price, chosen.bandwidth)


if __name__ == "__main__":
    main()
