"""Benchmarks of training, printed as ratios.

    python bench/training.py pipeline     share of a step that waits for data (aim: under 5 %)
    python bench/training.py feeding      batches of changed patches against tf.data with Keras's own layers for it
    python bench/training.py probe        the probe's time per epoch against a real one (aim: within 30 %)
    python bench/training.py epoch        an epoch against `model.fit` of the same network, batch and arrays, and its files' share
                                          (aim: 1.05 times at 64 px, 1.02 at 256; 3 %)
    python bench/training.py atrous       a step of DeepLabV3 against that of the DeepLabV3+ of Keras's examples (aim: 1.3 times)
    python bench/training.py attention    Attention U-Net on the landslide HDF5 sample
    python bench/training.py deeplab      DeepLabV3 on the 12-band sample

All but the last two use patches of noise, so that nothing has to be downloaded; those the sample data. `feeding`, `epoch` and
`atrous` take turns within one run, and give processor seconds, since the clock also counts what others do on the machine.
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

from bench.records import keep  # noqa: E402
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
    share = 100 * waited / (waited + worked)
    keep(f"a step of {settings.architecture} that waits for data", "%", share)
    print(f"{settings.architecture}, batches of {settings.batch_size}: waits for data {share:.2f} % of a step")


def compare_feeding(folder: Path, settings: TrainSettings, steps: int) -> None:
    """Batches of changed patches, ours and those of plain Keras in turn."""
    import keras
    import tensorflow as tf

    size = 256
    store = noise(folder, patches=64, size=size)
    run = Run(store, folder / "run", settings)
    run.open(resume=False)
    run.events.close()
    rows = store.rows("train")
    layers = [
        keras.layers.RandomFlip("horizontal_and_vertical"),
        keras.layers.RandomRotation(0.25, fill_mode="reflect"),
        keras.layers.RandomZoom(0.2, fill_mode="reflect"),
        keras.layers.RandomBrightness(0.2, value_range=(0, 1)),
        keras.layers.RandomContrast(0.2, value_range=(0, 1)),
    ]

    def changed(images, masks):
        both = {"images": tf.cast(images, tf.float32) / 255, "segmentation_masks": masks[..., None]}
        for layer in layers:
            both = layer(both, training=True)
        return both["images"], both["segmentation_masks"]

    arrays = np.asarray(store.images)[rows], np.asarray(store.masks)[rows]
    plain = tf.data.Dataset.from_tensor_slices(arrays).shuffle(len(rows)).repeat().batch(settings.batch_size)
    plain = plain.map(changed, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    ours, theirs = Spent(), Spent()
    for epoch in range(4):
        order = epoch_rows(run.train_rows, batch_size=settings.batch_size, seed=0, epoch=epoch, steps=steps)
        with ours:
            sum(1 for _ in run.batches(order, epoch=epoch))
        with theirs:
            sum(1 for _ in plain.take(steps))
    mine, other = (min(lap[0] for lap in each.laps[1:]) / steps for each in (ours, theirs))
    what = f"a batch of {settings.batch_size} patches of {size} px, turned, zoomed and relit"
    print(f"{what}: {1000 * mine:.0f} ms of processor, tf.data with Keras's layers {1000 * other:.0f} ms, {other / mine:.1f} times as much")
    keep(what, "processor ms", 1000 * mine, "tf.data with Keras's layers", 1000 * other, key="feeding")


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


class Spent:
    """Seconds of processor and of the clock, over several uses as a context."""

    def __init__(self):
        self.laps: list[np.ndarray] = []

    def __enter__(self):
        self.begun = self._now()

    def __exit__(self, *_):
        self.laps.append(self._now() - self.begun)

    def around(self, function):
        """The function, whose calls are timed."""

        def timed(*arguments, **named):
            with self:
                return function(*arguments, **named)

        return timed

    @staticmethod
    def _now() -> np.ndarray:
        return np.array([time.process_time(), time.perf_counter()])

    def total(self, laps: slice = slice(None)) -> np.ndarray:
        """Sum over some of the uses: (processor seconds, seconds)."""
        return np.sum(self.laps[laps], axis=0)


def compare_epoch(folder: Path, settings: TrainSettings, *, size: int, steps: int) -> None:
    """Epochs of a run and of plain `fit` in turn; the first of each prepares the work and does not count."""
    import keras

    from core.networks import build

    store = noise(folder, patches=steps * settings.batch_size, size=size)
    train_rows, rest = store.rows("train"), store.rows("validation")
    images, masks = np.asarray(store.images, np.float32) / 255, np.asarray(store.masks)
    learned, held = (images[train_rows], masks[train_rows]), (images[rest], masks[rest])
    counted = settings.epochs - 1
    print(f"{settings.architecture}, {size} px, batches of {settings.batch_size}, {steps} steps; {counted} epochs of each in turn")
    for augment in (False, True):
        run = Run(store, folder / f"run{augment:d}", replace(settings, augment=augment))
        run.open(resume=False)
        plain = build(settings.architecture, height=size, width=size, bands=3, classes=len(store.scheme))
        plain.compile(keras.optimizers.Adam(settings.learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        ours, theirs, files = Spent(), Spent(), Spent()
        # `keep` draws the preview and writes card, network, history and events; `remember` what a resumed run needs.
        run.keep, run.remember = files.around(run.keep), files.around(run.remember)

        def fit(_, plain=plain, ours=ours, theirs=theirs):
            ours.__exit__()
            with theirs:
                plain.fit(*learned, batch_size=settings.batch_size, validation_data=held, verbose=0)
            ours.__enter__()

        ours.__enter__()
        run.go(on_progress=None, should_stop=None, should_pause=None, on_epoch=fit)
        run.events.close()
        mine, other = ours.total(slice(1, None)), theirs.total(slice(1, None))
        # The median of pairs that follow each other: what else the machine does comes and goes.
        processor, clock = np.median(np.divide(ours.laps[1:], theirs.laps[1:]), axis=0)
        share = files.total(slice(2, None))[0] / mine[0]
        what = f"an epoch of {settings.architecture}, {size} px, {'' if augment else 'not '}augmented"
        keep(
            what,
            "processor s",
            mine[0] / counted,
            "model.fit of the same network, not augmented",
            mine[0] / counted / processor,
            key="epoch",
        )
        print(
            f"{'with' if augment else 'without'} augmentation: an epoch of ours / of model.fit {processor:.3f} in processor seconds "
            f"({mine[0] / counted:.1f} against {other[0] / counted:.1f}), {clock:.3f} by the clock; files {100 * share:.1f} % of ours",
            flush=True,
        )


def compare_atrous(*, size: int, batch: int, repeats: int) -> None:
    """Steps of our DeepLabV3, as a run builds it for patches of this size, and of Keras's example in turn."""
    import keras
    from keras_example import keras_example

    from core.networks import build, fitted_rates

    rng = np.random.default_rng(0)
    images = rng.random((batch, size, size, 3), np.float32)
    masks = rng.integers(0, 6, (batch, size, size), dtype=np.uint8)
    rates = fitted_rates("deeplabv3", height=size, width=size)
    networks = (
        build("deeplabv3", height=size, width=size, bands=3, classes=6, rates=rates),
        keras_example(keras, size, bands=3, classes=6),
    )
    spent = (Spent(), Spent())
    for network in networks:
        network.compile("adam", "sparse_categorical_crossentropy")
        network.train_on_batch(images, masks)  # the first step compiles
    for _ in range(repeats):
        for network, each in zip(networks, spent, strict=True):
            with each:
                network.train_on_batch(images, masks)
    ours, theirs = (each.total() / repeats for each in spent)
    print(f"{size} px, batches of {batch}, rates {rates}: {ours[0]:.2f} against {theirs[0]:.2f} processor seconds a step")
    keep(f"a step of DeepLabV3, {size} px", "processor s", ours[0], "DeepLabV3+ of Keras's examples", theirs[0])
    print(f"ours / Keras's example: {ours[0] / theirs[0]:.2f} in processor seconds, {ours[1] / theirs[1]:.2f} by the clock")


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
    parser.add_argument("what", choices=("pipeline", "feeding", "probe", "epoch", "atrous", *SAMPLES))
    parser.add_argument("--architecture", help="unet for epoch, unet-small otherwise")
    parser.add_argument("--steps", type=int, help="50 for epoch, 8 otherwise")
    parser.add_argument("--size", type=int, default=64, metavar="PX", help="side of the patches of epoch and atrous")
    parser.add_argument("--batch", type=int, default=8, help="patches in a step of epoch and atrous")
    parser.add_argument("--repeats", type=int, default=3, help="epochs of epoch, steps of atrous")
    chosen = parser.parse_args()
    if chosen.what == "atrous":
        compare_atrous(size=chosen.size, batch=chosen.batch, repeats=chosen.repeats)
        return
    epoch = chosen.what == "epoch"
    chosen.architecture = chosen.architecture or ("unet" if epoch else "unet-small")
    chosen.steps = chosen.steps or (50 if epoch else 8)
    settings = TrainSettings(architecture=chosen.architecture, epochs=3, batch_size=8, patience=0)
    with tempfile.TemporaryDirectory() as temporary:
        if epoch:
            # By the training loss every epoch is the best one so far, and writes all its files.
            course = replace(settings, epochs=1 + chosen.repeats, batch_size=chosen.batch, monitor="loss")
            compare_epoch(Path(temporary), course, size=chosen.size, steps=chosen.steps)
        elif chosen.what == "pipeline":
            pipeline(Path(temporary), settings, chosen.steps)
        elif chosen.what == "feeding":
            compare_feeding(Path(temporary), settings, chosen.steps)
        elif chosen.what == "probe":
            compare_probe(Path(temporary), replace(settings, epochs=4, batch_size=4))
        else:
            sample(Path(temporary), chosen.what)


if __name__ == "__main__":
    main()
