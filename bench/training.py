"""Benchmarks of training, printed as ratios.

    python bench/training.py pipeline     share of a step that waits for data (aim: under 5 %)
    python bench/training.py probe        the probe's time per epoch against a real one (aim: within 30 %)
    python bench/training.py attention    Attention U-Net on the landslide HDF5 sample
    python bench/training.py deeplab      DeepLabV3 on the 12-band sample

`pipeline` and `probe` use patches of noise, so that nothing has to be downloaded; the last two the sample data.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from core.classes import DUBAI  # noqa: E402
from core.datasets.datasets import open_dataset  # noqa: E402
from core.patches.prepare import prepare  # noqa: E402
from core.training.feeding import epoch_rows  # noqa: E402
from core.training.run import Run  # noqa: E402
from core.training.settings import TrainSettings  # noqa: E402
from core.training.training import train  # noqa: E402

SAMPLES = {
    "attention": ("landslides", TrainSettings(architecture="attention-unet", epochs=3, batch_size=4, learning_rate=2e-3, patience=0)),
    "deeplab": ("chips12", TrainSettings(architecture="deeplabv3", epochs=2, batch_size=4, learning_rate=1e-3, patience=0)),
}


def noise(folder: Path, *, patches: int, size: int) -> SimpleNamespace:
    """A patch store on disk, opened as memory maps: `patches` for training, a quarter as many for validation."""
    rng = np.random.default_rng(0)
    count, classes = patches + patches // 4, len(DUBAI)
    np.save(folder / "images.npy", rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8))
    np.save(folder / "masks.npy", np.repeat(np.repeat(rng.integers(0, classes, (count, size // 8, size // 8), np.uint8), 8, 1), 8, 2))
    images, masks = (np.load(folder / name, mmap_mode="r") for name in ("images.npy", "masks.npy"))
    parts = {"train": np.arange(patches), "validation": np.arange(patches, count), "test": np.arange(0)}
    return SimpleNamespace(
        images=images,
        masks=masks,
        scheme=DUBAI,
        patch_size=size,
        bands=(1, 2, 3),
        dtype=np.dtype("uint8"),
        scale=1.0,
        counts={part: np.bincount(masks[rows].ravel(), minlength=classes) for part, rows in parts.items()},
        statistics={"mean": np.full(3, 127.5), "std": np.full(3, 73.9)},
        split_info={},
        rows=parts.get,
    )


def pipeline(folder: Path, settings: TrainSettings, steps: int) -> None:
    """Share of the time of some steps in which the network waits for its next batch."""
    run = Run(noise(folder, patches=16, size=256), folder / "run", settings)
    run.open(resume=False)
    run.events.close()
    order = epoch_rows(run.train_rows, batch_size=settings.batch_size, seed=0, epoch=0, steps=steps + 2)
    batches, waited, worked = iter(run.batches(order, epoch=0)), 0.0, 0.0
    for number in range(steps + 2):
        asked = time.perf_counter()
        images, masks = next(batches)
        got = time.perf_counter()
        run.trainer.train_on_batch(images, masks)
        if number >= 2:  # the first steps compile, and fill the read-ahead meanwhile
            waited, worked = waited + got - asked, worked + time.perf_counter() - got
    print(f"{settings.architecture}, batches of {settings.batch_size}: waits for data {100 * waited / (waited + worked):.2f} % of a step")


def compare_probe(folder: Path, settings: TrainSettings) -> None:
    """The probe's estimate of an epoch's seconds, divided by those of the second real epoch."""
    from core.training.probe import probe

    store = noise(folder, patches=24, size=128)
    told = probe(store, settings)
    train(store, folder / "run", settings)
    real = [json.loads(line)["seconds"] for line in (folder / "run" / "history.jsonl").read_text().splitlines()][1:]
    ratio = told["epoch_s"] / np.median(real)
    print(f"an epoch as told / as it was: {ratio:.2f}   peak memory {told['peak_memory_mib']:.0f} MiB, disk {told['disk_mib']:.0f} MiB")
    print("batch size: patches/s  " + ", ".join(f"{each['batch_size']}: {each['patches_per_s']:.1f}" for each in told["sizes"]))


def sample(folder: Path, name: str) -> None:
    """Train on a sample data set and print the history."""
    dataset, settings = SAMPLES[name]
    scenes = open_dataset(ROOT / "sample_data" / dataset)
    store = prepare(scenes, folder / "patches", patch_size=64, stride=64, split="random", validation=0.25)
    began = time.process_time()
    train(store, folder / "run", settings, on_epoch=lambda line: print({key: line[key] for key in ("epoch", "loss", "val_mean_iou")}))
    print(f"{settings.architecture} on {dataset}, {store.images.shape} patches: {time.process_time() - began:.0f} processor seconds")


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pipeline", "probe", *SAMPLES))
    parser.add_argument("--architecture", default="unet-small")
    parser.add_argument("--steps", type=int, default=8)
    chosen = parser.parse_args()
    settings = TrainSettings(architecture=chosen.architecture, epochs=3, batch_size=8, patience=0)
    with tempfile.TemporaryDirectory() as temporary:
        if chosen.what == "pipeline":
            pipeline(Path(temporary), settings, chosen.steps)
        elif chosen.what == "probe":
            compare_probe(Path(temporary), replace(settings, epochs=4, batch_size=4))
        else:
            sample(Path(temporary), chosen.what)


if __name__ == "__main__":
    main()
