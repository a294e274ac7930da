"""Benchmarks of prediction, printed as ratios: `python bench/predict.py [beyond] [memory] [whole-scene] [--model MODEL]`.

beyond        processor time of a prediction beyond the network's own, with 1 and with 8 symmetries
memory        peak memory of 5,000, 10,000 and 20,000 pixel squares under --memory 1GiB, with a cheap stand-in network
whole-scene   against the algorithm that holds the whole scene in float64 (eight turned copies of it, as in Vooban's
              "Smoothly-Blend-Image-Patches"; written here from its description), same stand-in network
Each case runs in a process of its own. Processor seconds are compared, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.classes import DUBAI  # noqa: E402
from core.geo import GeoRef  # noqa: E402
from core.learning.cards import ModelCard  # noqa: E402
from core.learning.model_store import Model, find_model  # noqa: E402
from core.prediction.budget import MIB, PeakMemory, resident_bytes  # noqa: E402
from core.prediction.engine import Engine, open_engine  # noqa: E402
from core.prediction.predict import predict  # noqa: E402
from core.scene import Scene, Window  # noqa: E402

PATCH_PX = 256


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


def case_real(folder: Path, name: str, size: int, symmetries: int) -> dict:
    model = find_model(name)
    engine = open_engine(model)
    scene = Scene.from_array(drawn_scene(size).read())
    predict(model, drawn_scene(300), folder / "warm", engine=engine, symmetries=symmetries)
    patches = scene.read(Window(0, 0, PATCH_PX, PATCH_PX))[None]
    begun = time.process_time()
    for _ in range(count := 40):
        engine(patches)
    network = (time.process_time() - begun) / count
    measured = _measured(lambda: predict(model, scene, folder / "out", engine=engine, symmetries=symmetries))
    return {**measured, "network_cpu_s": network * measured["windows"] * symmetries, "engine": engine.name}


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


CASES = {"blended": case_blended, "whole-scene": case_whole_scene, "real": case_real}


def apart(case: str, *arguments) -> dict:
    """Run a case in a process of its own and give its figures."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", case, "--arguments", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def print_beyond(model: str) -> None:
    for size, symmetries in ((2048, 1), (1024, 8)):
        figures = apart("real", model, size, symmetries)
        beyond = figures["cpu_s"] - figures["network_cpu_s"]
        print(
            f"beyond the network, {size} px, {symmetries} symmetries, {figures['engine']}: "
            f"{beyond / figures['network_cpu_s']:.1%} of its time ({beyond:.2f} s beside {figures['network_cpu_s']:.1f} s of processor), "
            f"seam score {figures['seam_score']:.2f}"
        )


def print_memory() -> None:
    peaks = {size: apart("blended", size, 1, "1GiB") for size in (5_000, 10_000, 20_000)}
    for size, figures in peaks.items():
        ratio = figures["peak_mib"] / peaks[5_000]["peak_mib"]
        print(f"peak memory, {size} px: {figures['peak_mib']:.0f} MiB = {ratio:.2f} x that of 5000 px ({figures['cpu_s']:.0f} s CPU)")


def print_whole_scene() -> None:
    for size in (1024, 2048):
        ours, theirs = apart("blended", size, 8, "1GiB"), apart("whole-scene", size)
        print(
            f"whole scene in float64 against bands and written files, {size} px, 8 symmetries: "
            f"{theirs['cpu_s'] / ours['cpu_s']:.1f} x our time ({theirs['cpu_s']:.1f} / {ours['cpu_s']:.1f} s of processor), "
            f"{theirs['extra_mib'] / ours['extra_mib']:.0f} x our memory ({theirs['extra_mib']:.0f} / {ours['extra_mib']:.0f} MiB)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["beyond", "memory", "whole-scene", []], default=[])
    parser.add_argument("--model", default="dubai-landcover", help="model for `beyond`")
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--arguments", default="[]", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(CASES[options.case](Path(folder), *json.loads(options.arguments))))
        return
    chosen = options.what or ["beyond", "memory", "whole-scene"]
    if "beyond" in chosen:
        print_beyond(options.model)
    if "memory" in chosen:
        print_memory()
    if "whole-scene" in chosen:
        print_whole_scene()


if __name__ == "__main__":
    main()
