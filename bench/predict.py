"""Benchmarks of prediction, printed as ratios: `python bench/predict.py [CASE ...] [--model MODEL]`; all but geoai by default.

beyond        time of a prediction beyond the network's own, with 1 and with 8 symmetries, of a JPEG scene in tiles. Processor
              time: a run that is given the network's answers for nothing, against the network alone on the same patches.
              Time on the clock, where reading, network and writing overlap: the whole run against the network alone
speed         milliseconds for a patch by model.predict, and the engines; how many labels are those of model.predict
estimate      what is told beforehand against what it then takes, for a sample scene and a drawn one
memory        peak memory of 5,000 and 20,000 pixel squares under --memory 1GiB, with a cheap stand-in network
whole-scene   against the algorithm that holds the whole scene in float64 (eight turned copies of it, as in Vooban's
              "Smoothly-Blend-Image-Patches"; written here from its description), same stand-in network
tilings       against how geoai and QGIS Deepness go over a scene, written here from what their sources do: one blends overlapping
              tiles in float64 arrays of the whole scene, the other keeps the middle of each tile's labels; same stand-in network,
              patches and overlap, from a GeoTIFF to a GeoTIFF. Ours writes probabilities, confidence and margin besides
geoai         against geoai's own predict_geotiff with a stand-in network, same patches and overlap; needs --geoai-python, a Python
              in which torch, geoai-py and rasterio are installed

Each case runs in a process of its own. Processor seconds are compared, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.records import keep  # noqa: E402
from core.classes import DUBAI  # noqa: E402
from core.geo import GeoRef  # noqa: E402
from core.model_store.cards import ModelCard  # noqa: E402
from core.model_store.models import Model, find_model  # noqa: E402
from core.prediction.budget import PeakMemory, resident_bytes  # noqa: E402
from core.prediction.engines.engine import Engine, open_engine  # noqa: E402
from core.prediction.estimate import estimate  # noqa: E402
from core.prediction.predict import predict  # noqa: E402
from core.scenes.opening import open_scene  # noqa: E402
from core.scenes.scene import Scene, Window  # noqa: E402
from core.words import MIB  # noqa: E402

PATCH_PX = 256
WHOLE_PX = (1024, 2048)
TOWN = ROOT / "sample_data" / "town" / "images" / "town_whole.tif"


class DrawnSource:
    """A scene of any size that is drawn when it is read: blotches of 61 px, with the same pixels for every window."""

    def read(self, window: Window, bands, out_shape, categorical) -> np.ndarray:
        rows, cols = (
            np.linspace(start, start + length - 1, count).astype(np.int64) for start, length, count in self._axes(window, out_shape)
        )
        blotch = ((rows[:, None] // 61 * 7919 + cols[None, :] // 61 * 104729) % 251).astype(np.uint8)
        grain = ((rows[:, None] * 31 + cols[None, :] * 17) % 13).astype(np.uint8)
        return np.stack([blotch // 2 + grain * (band + 1) for band in range(len(bands))], axis=-1)

    def valid(self, window: Window, out_shape) -> np.ndarray:
        return np.ones(out_shape or (window.height, window.width), bool)

    def fingerprint(self) -> str:
        return "drawn"

    @staticmethod
    def _axes(window: Window, out_shape):
        height, width = out_shape or (window.height, window.width)
        return (window.row, window.height, height), (window.col, window.width, width)


def drawn_scene(size: int) -> Scene:
    return Scene(Path("drawn"), f"drawn {size}", size, size, 3, "uint8", GeoRef.pixels(), None, DrawnSource())


def stand_in(patches: np.ndarray) -> np.ndarray:
    """A network that costs next to nothing: five classes that follow the first two bands."""
    first, second = patches[..., 0] / 255, patches[..., 1] / 255
    return np.stack([first, second, 1 - first, 1 - second, np.full_like(first, 0.5)], axis=-1) / np.float32(2.5)


def stand_in_model(folder: Path) -> tuple[Model, Engine]:
    file = folder / "model.keras"
    file.write_bytes(b"stand-in")
    card = ModelCard("stand-in", "unet", DUBAI, (1, 2, 3), normalisation={"kind": "none"}, patch_size=PATCH_PX)
    engine = Engine("stand-in", stand_in, lambda batch: batch.astype(np.float32), len(DUBAI), PATCH_PX)
    return Model(card, folder, file), engine


def case_blended(folder: Path, size: int, symmetries: int, memory: str) -> dict:
    model, engine = stand_in_model(folder)
    predict(model, drawn_scene(300), folder / "warm", engine=engine, symmetries=symmetries)
    return _measured(lambda: predict(model, drawn_scene(size), folder / "out", engine=engine, symmetries=symmetries, memory=memory))


def case_whole_scene(folder: Path, size: int) -> dict:
    image = DrawnSource().read(Window(0, 0, size, size), (1, 2, 3), None, False)
    return _measured(lambda: whole_scene(image))


def case_beyond(folder: Path, name: str, size: int, symmetries: int, scale: float | None) -> dict:
    model = find_model(name)
    model = model if scale is None else replace(model, card=replace(model.card, scale=scale))
    real, window = open_engine(model), Window(0, 0, size, size)
    predict(model, drawn_scene(300), folder / "warm", engine=real, symmetries=symmetries)

    def run(engine) -> dict:
        settings = dict(engine=engine, symmetries=symmetries, memory="8GiB", window=window)
        return _measured(lambda: predict(model, TOWN, folder / "out", **settings))

    inputs, answers = [], []

    def recorded(patches: np.ndarray) -> np.ndarray:
        inputs.append(patches)
        answers.append(real.run(real.normalise(patches)))
        return answers[-1]

    run(replace(real, normalise=np.asarray, run=recorded))
    whole, alone, without = [], [], []
    for _ in range(2):
        whole.append(run(real))
        alone.append(_measured(lambda: [len(real(patches)) for patches in inputs]))
        replayed = iter(answers)
        without.append(run(replace(real, normalise=np.asarray, run=lambda _, replayed=replayed: next(replayed))))
    least = {
        name: {key: min(run[key] for run in runs) for key in ("cpu_s", "wall_s")}
        for name, runs in (("whole", whole), ("network", alone), ("beyond", without))
    }
    return {**least, "seam_score": whole[0]["seam_score"], "engine": real.name}


def case_speed(folder: Path, name: str, engine: str, answers: str) -> dict:
    del folder
    model = find_model(name)
    size = model.card.patch_size
    every = max(1, round(1 / model.card.scale))
    pixels = open_scene(TOWN).read()[::every, ::every]
    places = [(row, col) for row in range(0, pixels.shape[0] - size + 1, size) for col in range(0, pixels.shape[1] - size + 1, size)]
    patches = np.stack([pixels[row : row + size, col : col + size] for row, col in places])
    if engine == "model.predict":
        network = model.keras_model()

        def run(batch: np.ndarray) -> np.ndarray:
            return network.predict(model.card.normalise(batch), batch_size=8, verbose=0)
    else:
        run = open_engine(model, engine=engine)
    labels = run(patches).argmax(axis=-1).astype(np.uint8)
    walls, cpus = [], []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.process_time()
        run(patches)
        walls.append((time.perf_counter() - wall) / len(patches))
        cpus.append((time.process_time() - cpu) / len(patches))
    np.save(answers, labels)
    return {"wall_ms": 1e3 * min(walls), "cpu_ms": 1e3 * min(cpus)}


def case_estimate(folder: Path, name: str, size: int) -> dict:
    del folder
    return estimate(name, drawn_scene(size) if size else TOWN).summary()


def case_predict(folder: Path, name: str, size: int) -> dict:
    result = predict(name, drawn_scene(size) if size else TOWN, folder / "out")
    written = sum(file.stat().st_size for file in (folder / "out").iterdir())
    return {**result.summary(), "result_mib": written / MIB}


def case_blended_file(folder: Path, path: str) -> dict:
    model, engine = stand_in_model(folder)
    predict(model, drawn_scene(300), folder / "warm", engine=engine)
    return _measured(lambda: predict(model, path, folder / "out", engine=engine))


def case_tiling(folder: Path, way: str, path: str) -> dict:
    return _measured(lambda: TILINGS[way](path, folder / "out.tif"))


def tiles_of(path: str, step: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Row, column and pixels (256, 256, 3) of overlapping tiles of a GeoTIFF; the last of a row or column moves back to fit."""
    with rasterio.open(path) as file:
        rows, cols = (sorted({min(start, length - PATCH_PX) for start in range(0, length, step)}) for length in file.shape)
        for row in rows:
            for col in cols:
                window = rasterio.windows.Window(col, row, PATCH_PX, PATCH_PX)
                yield row, col, np.moveaxis(file.read(window=window), 0, -1).astype(np.float32)


def write_like(path: str, out: Path, bands: np.ndarray) -> None:
    """Write bands (b, h, w) where the scene lies."""
    with rasterio.open(path) as file:
        place = {"crs": file.crs, "transform": file.transform}
    with rasterio.open(
        out, "w", driver="GTiff", height=bands.shape[1], width=bands.shape[2], count=len(bands), dtype=bands.dtype, compress="lzw", **place
    ) as file:
        file.write(bands)


def blended_as_geoai(path: str, out: Path) -> None:
    """As geoai's predict_geotiff: weights that fall to the rim, sums of the whole scene in float64, float32 probabilities written."""
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.linspace(0, 1, PATCH_PX // 2 + 1)[1:])) ** 2
    weight = np.outer(*[np.concatenate([ramp, ramp[::-1]]).astype(np.float32)] * 2)
    with rasterio.open(path) as file:
        height, width = file.shape
    sums, weights = np.zeros((len(DUBAI), height, width)), np.zeros((1, height, width))
    for row, col, pixels in tiles_of(path, PATCH_PX // 2):
        here = slice(row, row + PATCH_PX), slice(col, col + PATCH_PX)
        sums[:, *here] += np.moveaxis(stand_in(pixels), -1, 0) * weight
        weights[:, *here] += weight
    write_like(path, out, np.where(weights > 0, sums / (weights + 1e-8), -9999).astype(np.float32))


def middles_as_deepness(path: str, out: Path) -> None:
    """As Deepness: labels of each tile, of which the middle goes into the whole picture, up to the rim at the scene's own."""
    with rasterio.open(path) as file:
        height, width = file.shape
    labels, rim = np.zeros((1, height, width), np.uint8), PATCH_PX // 4
    for row, col, pixels in tiles_of(path, PATCH_PX // 2):
        top, left = (rim if start else 0 for start in (row, col))
        labels[0, row + top : row + PATCH_PX, col + left : col + PATCH_PX] = stand_in(pixels).argmax(axis=-1)[top:, left:]
    write_like(path, out, labels)


TILINGS = {"geoai": blended_as_geoai, "Deepness": middles_as_deepness}


GEOAI = """
import json, resource, sys, time, psutil, torch
from geoai.inference import predict_geotiff

class StandIn(torch.nn.Module):
    def forward(self, patches):
        first, second = patches[:, 0], patches[:, 1]
        return torch.stack([first, second, 1 - first, 1 - second, torch.full_like(first, 0.5)], 1) / 2.5

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

source, target, patch = sys.argv[1], sys.argv[2], int(sys.argv[3])
settings = dict(tile_size=patch, overlap=patch // 2, num_classes=5, device="cpu", verbose=False)
predict_geotiff(StandIn(), sys.argv[4], target, **settings)
before, wall, cpu = psutil.Process().memory_info().rss / 2**20, time.perf_counter(), time.process_time()
predict_geotiff(StandIn(), source, target, **settings)
print(json.dumps({"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "extra_mib": peak() - before}))
"""


def whole_scene(image: np.ndarray, overlap: int = 2) -> np.ndarray:
    """Eight turned copies of the padded scene, all patches of each at once, float64 throughout."""
    size, step = PATCH_PX, PATCH_PX // overlap
    pad = size - step
    ramp = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    window = (ramp[:, None] * ramp[None])[..., None]
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="reflect").astype(np.float64)
    results = []
    for mirrored in (False, True):
        for quarters in range(4):
            turned = np.rot90(padded[:, ::-1] if mirrored else padded, quarters)
            starts = range(0, turned.shape[0] - size + 1, step)
            patches = np.array([turned[row : row + size, col : col + size] for row in starts for col in starts])
            answers = stand_in(patches).astype(np.float64) * window
            total = np.zeros((*turned.shape[:2], answers.shape[-1]))
            weights = np.zeros((*turned.shape[:2], 1))
            for number, (row, col) in enumerate((row, col) for row in starts for col in starts):
                total[row : row + size, col : col + size] += answers[number]
                weights[row : row + size, col : col + size] += window
            back = np.rot90(total / np.maximum(weights, 1e-12), -quarters)
            results.append(back[:, ::-1] if mirrored else back)
    return np.mean(results, axis=0)[pad:-pad, pad:-pad]


def _measured(work) -> dict:
    before, wall, cpu = resident_bytes(), time.perf_counter(), time.process_time()
    with PeakMemory() as peak:
        result = work()
    return {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "peak_mib": peak.peak_bytes / MIB,
        "extra_mib": (peak.peak_bytes - before) / MIB,
        **({"windows": result.windows, "seam_score": result.seam_score} if hasattr(result, "windows") else {}),
    }


CASES = {
    "blended": case_blended,
    "blended-file": case_blended_file,
    "tiling": case_tiling,
    "whole-scene": case_whole_scene,
    "beyond": case_beyond,
    "speed": case_speed,
    "estimate": case_estimate,
    "predict": case_predict,
}


def apart(case: str, *arguments) -> dict:
    """Run a case in a process of its own and give its figures."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", case, "--arguments", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def print_beyond(model: str) -> None:
    for size, symmetries, scale in ((2048, 1, None), (2048, 1, 1.0), (1024, 8, None)):
        figures = apart("beyond", model, size, symmetries, scale)
        whole, network, beyond = (figures[part] for part in ("whole", "network", "beyond"))
        seen = "at the scale of the model" if scale is None else "not resized"
        what = f"beyond the network's own processor time, {size} x {size}, {symmetries} symmetries, {seen}"
        keep(what, "%", 100 * beyond["cpu_s"] / network["cpu_s"], key="beyond")
        print(
            f"beyond the network, {size} px, {symmetries} symmetries, "
            f"{seen}, {figures['engine']}: "
            f"{beyond['cpu_s'] / network['cpu_s']:.1%} of its processor time ({beyond['cpu_s']:.2f} beside {network['cpu_s']:.1f} s), "
            f"{whole['wall_s'] / network['wall_s'] - 1:.1%} of its time on the clock ({whole['wall_s']:.1f} against "
            f"{network['wall_s']:.1f} s), seam score {figures['seam_score']:.2f}"
        )


def print_speed(model: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = ("model.predict", "openvino", "fast")
        figures = {name: apart("speed", model, name, f"{folder}/{name}.npy") for name in names}
        labels = {name: np.load(f"{folder}/{name}.npy") for name in names}
    base = figures["model.predict"]
    for name in names:
        ours, same = figures[name], (labels[name] == labels["model.predict"]).mean()
        if name != "model.predict":
            keep(f"a patch of {model} by the engine {name}", "processor ms", ours["cpu_ms"], "model.predict", base["cpu_ms"], key=name)
            keep(f"labels of the engine {name} that are those of model.predict", "%", 100 * same)
        print(
            f"{name}: {ours['wall_ms']:.1f} ms a patch, {base['wall_ms'] / ours['wall_ms']:.1f} x model.predict "
            f"({base['cpu_ms'] / ours['cpu_ms']:.1f} x in processor time); {same:.2%} equal labels"
        )


def print_estimate(model: str) -> None:
    for size in (0, 3000):
        told, took = apart("estimate", model, size), apart("predict", model, size)
        parts = {"seconds": ("a prediction", "s"), "peak_memory_mib": ("its peak memory", "MiB"), "result_mib": ("its files", "MiB")}
        for part in parts:
            scene = f"{size} x {size} pixels" if size else "the sample town"
            named, unit = parts[part]
            keep(f"{named}, {scene}", unit, took[part], "the estimate before", told[part])
        ratios = ", ".join(f"{part} {told[part]:.0f} / {took[part]:.0f} = {told[part] / took[part]:.2f}" for part in parts)
        print(f"estimate against what it took, {f'{size} px' if size else TOWN.name}: {ratios}")


def print_tilings(size: int = 2048) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = drawn_file(folder, size)
        ours = apart("blended-file", path)
        for way in TILINGS:
            theirs = apart("tiling", way, path)
            print(
                f"{way}'s way, {size} px, stand-in network: {theirs['cpu_s'] / ours['cpu_s']:.1f} x our processor time "
                f"({theirs['cpu_s']:.1f} / {ours['cpu_s']:.1f} s), {theirs['extra_mib'] / ours['extra_mib']:.1f} x our memory "
                f"({theirs['extra_mib']:.0f} / {ours['extra_mib']:.0f} MiB)"
            )
            what = f"a prediction of {size} x {size} pixels, stand-in network"
            keep(what, "processor s", ours["cpu_s"], f"{way}'s tiling, restated", theirs["cpu_s"])
            keep(what, "MiB more", ours["extra_mib"], f"{way}'s tiling, restated", theirs["extra_mib"])


def drawn_file(folder: str, side: int) -> str:
    """Path of a GeoTIFF of the drawn scene."""
    path = f"{folder}/{side}.tif"
    profile = dict(height=side, width=side, count=3, dtype="uint8", crs="EPSG:32640", tiled=True)
    with rasterio.open(path, "w", driver="GTiff", transform=rasterio.Affine(0.3, 0, 3e5, 0, -0.3, 2.7e6), **profile) as file:
        file.write(np.moveaxis(drawn_scene(side).read(), -1, 0))
    return path


def print_geoai(python: str, size: int = 2048) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [drawn_file(folder, side) for side in (size, 300)]
        ours = apart("blended-file", paths[0])
        command = [python, "-c", GEOAI, paths[0], f"{folder}/out.tif", str(PATCH_PX), paths[1]]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        theirs = json.loads(done.stdout.strip().splitlines()[-1])
    print(
        f"geoai's predict_geotiff, {size} px, stand-in network: {theirs['cpu_s'] / ours['cpu_s']:.1f} x our processor time "
        f"({theirs['cpu_s']:.1f} / {ours['cpu_s']:.1f} s), {theirs['wall_s'] / ours['wall_s']:.1f} x our time, "
        f"{theirs['extra_mib'] / ours['extra_mib']:.0f} x our memory ({theirs['extra_mib']:.0f} / {ours['extra_mib']:.0f} MiB)"
    )


def print_memory() -> None:
    peaks = {size: apart("blended", size, 1, "1GiB") for size in (5_000, 20_000)}
    for size, figures in peaks.items():
        ratio = figures["peak_mib"] / peaks[5_000]["peak_mib"]
        keep(f"peak memory of predicting {size:,} x {size:,} pixels, stand-in network", "MiB", figures["peak_mib"], key="peak")
        print(f"peak memory, {size} px: {figures['peak_mib']:.0f} MiB = {ratio:.2f} x that of 5000 px ({figures['cpu_s']:.0f} s CPU)")


def print_whole_scene() -> None:
    for size in WHOLE_PX:
        ours, theirs = apart("blended", size, 8, "1GiB"), apart("whole-scene", size)
        what, way = f"a prediction of {size} x {size} pixels with 8 symmetries, stand-in network", "Vooban's algorithm, restated"
        keep(what, "processor s", ours["cpu_s"], way, theirs["cpu_s"], key="Vooban" if size == WHOLE_PX[-1] else "")
        keep(what, "MiB more", ours["extra_mib"], way, theirs["extra_mib"])
        print(
            f"whole scene in float64 against bands and written files, {size} px, 8 symmetries: "
            f"{theirs['cpu_s'] / ours['cpu_s']:.1f} x our time ({theirs['cpu_s']:.1f} / {ours['cpu_s']:.1f} s of processor), "
            f"{theirs['extra_mib'] / ours['extra_mib']:.0f} x our memory ({theirs['extra_mib']:.0f} / {ours['extra_mib']:.0f} MiB)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", nargs="*", choices=["beyond", "speed", "estimate", "memory", "whole-scene", "tilings", "geoai", []], default=[]
    )
    parser.add_argument("--model", default="sample-town", help="model for beyond, speed and estimate")
    parser.add_argument("--geoai-python", help="the Python that has geoai")
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--arguments", default="[]", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(CASES[options.case](Path(folder), *json.loads(options.arguments))))
        return
    printers = {
        "beyond": lambda: print_beyond(options.model),
        "speed": lambda: print_speed(options.model),
        "estimate": lambda: print_estimate(options.model),
        "memory": print_memory,
        "whole-scene": print_whole_scene,
        "tilings": print_tilings,
        **({"geoai": lambda: print_geoai(options.geoai_python)} if options.geoai_python else {}),
    }
    for what in options.what or printers:
        if what not in printers:
            parser.error("geoai needs --geoai-python")
        printers[what]()


if __name__ == "__main__":
    main()
