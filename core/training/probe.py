"""A few steps on real patches before a run: what an epoch will cost, and which batch size suits the machine."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from core.claims import scratch
from core.errors import Cancelled
from core.patches.joined import Prepared
from core.progress import OnProgress, ShouldStop, check, report
from core.training.event_files import EVENTS_FOLDER
from core.training.feeding import epoch_rows
from core.training.one_vs_rest import one_network
from core.training.run import PREVIEWS, Run
from core.training.settings import TrainSettings
from core.words import MIB

STEPS = 4
"""Of each batch size; the first one prepares the work and is not timed."""

_BUDGET_FRACTION = 0.8
_WORTH = 1.05
"""A larger batch has to be this much faster to be proposed: small ones learn as well and need less memory."""
_SAMPLE_S = 0.02


def probe(
    store: Prepared,
    settings: TrainSettings,
    *,
    memory_budget_mib: float | None = None,
    patience_s: float = 60.0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Try a run without keeping anything of it: time per epoch, peak memory, disk, and a batch size.

    Batches from a quarter of `settings.batch_size` to four times it are tried, the next larger one only while it should
    fit into `memory_budget_mib` (four fifths of the free memory when None) and `patience_s` are not over; the settings'
    own is always tried. Weights are random, which changes no time. Times are of this machine as busy as it is now.

    Returns "batch_size", "steps_per_epoch", "start_s" (once), "epoch_s" and its parts "train_s", "validation_s" and
    "finish_s", "total_s" (all epochs, if none stops them early), "peak_memory_mib", "memory_budget_mib",
    "gpu_memory_mib" (None without one), "disk_mib" (at the run's end), "disk_free_mib" (where the temporary files are),
    "parameters", "networks", "device", "proposed_batch_size", and "sizes": for each batch size "batch_size", "step_s",
    "patches_per_s", "peak_memory_mib", "fits". Raises InputError as training would, Cancelled.
    """
    patches, settings, networks = one_network(store, replace(settings, weights="none"))
    process, began = psutil.Process(), time.monotonic()
    budget = memory_budget_mib or _BUDGET_FRACTION * (psutil.virtual_memory().available + process.memory_info().rss) / MIB
    with scratch() as temporary:
        run = Run(patches, temporary / "probe", settings)
        run.open(resume=False)
        try:
            start_s = time.monotonic() - began
            sizes = _try_sizes(run, budget, patience_s, on_progress, should_stop)
            report(on_progress, 0, 0, "Measuring validation and the end of an epoch")
            ends = _epoch_end(run, should_stop)
        finally:
            run.events.close()
        fixed, growth = _disk(run.folder)
        free = shutil.disk_usage(temporary).free
    own = next(each for each in sizes if each["batch_size"] == min(settings.batch_size, len(run.train_rows)))
    steps = run.steps
    train_s = steps * own["step_s"] if own["fits"] else None
    epoch_s = None if train_s is None else networks * (train_s + ends["validation_s"] + ends["finish_s"])
    return {
        "batch_size": own["batch_size"],
        "steps_per_epoch": steps,
        "start_s": start_s,
        "epoch_s": epoch_s,
        "train_s": train_s and networks * train_s,
        "validation_s": networks * ends["validation_s"],
        "finish_s": networks * ends["finish_s"],
        "total_s": epoch_s and settings.epochs * epoch_s,
        "peak_memory_mib": max(own["peak_memory_mib"], ends["peak_memory_mib"]),
        "memory_budget_mib": budget,
        "gpu_memory_mib": _gpu_memory_mib(),
        "disk_mib": networks * (fixed + settings.epochs * growth) / MIB,
        "disk_free_mib": free / MIB,
        "parameters": networks * run.prepared.network.count_params(),
        "networks": networks,
        "device": run.prepared.device,
        "proposed_batch_size": propose(sizes, budget),
        "sizes": sizes,
    }


def propose(sizes: list[dict[str, Any]], budget_mib: float) -> int:
    """The smallest batch size that no other one that fits beats by more than 5 % in patches per second."""
    good = [each for each in sizes if each["fits"] and each["peak_memory_mib"] <= budget_mib]
    if not good:
        return min(each["batch_size"] for each in sizes)
    fastest = max(each["patches_per_s"] for each in good)
    return min(each["batch_size"] for each in good if each["patches_per_s"] * _WORTH >= fastest)


def _try_sizes(
    run: Run, budget: float, patience_s: float, on_progress: OnProgress | None, should_stop: ShouldStop | None
) -> list[dict[str, Any]]:
    own, rows = min(run.settings.batch_size, len(run.train_rows)), len(run.train_rows)
    ladder = sorted({own, *(size for size in (own // 4, own // 2, 2 * own, 4 * own) if 1 <= size <= rows)})
    base, began = _rss_mib(), time.monotonic()
    sizes: list[dict[str, Any]] = []
    for number, size in enumerate(ladder):
        check(should_stop)
        if size > own and (_expected_peak(sizes, base, size) > budget or time.monotonic() - began > patience_s):
            break
        # A slow machine spends its patience on the size that was asked for.
        if size < own and sizes and time.monotonic() - began > patience_s / 4:
            continue
        report(on_progress, number, len(ladder), f"Trying batches of {size}")
        sizes.append(_try_size(run, size, should_stop))
        if not sizes[-1]["fits"]:
            break
    if sizes[-1]["batch_size"] < own:
        sizes.append({"batch_size": own, "step_s": None, "patches_per_s": None, "peak_memory_mib": float("inf"), "fits": False})
    return sizes


def _try_size(run: Run, size: int, should_stop: ShouldStop | None) -> dict[str, Any]:
    import tensorflow as tf

    order = epoch_rows(run.train_rows, batch_size=size, seed=run.settings.seed, epoch=0, steps=STEPS, weights=run.draw)
    watch = _stopwatch(should_stop)
    with _Memory() as memory:
        try:
            run.prepared.fit(run.batches(order, epoch=0), watch)
            fits = True
        except tf.errors.ResourceExhaustedError:
            fits = False
    if watch.stopped:
        raise Cancelled("stopped by the user")
    step_s = (watch.ends[-1] - watch.ends[0]) / (len(watch.ends) - 1) if fits else None
    return {
        "batch_size": size,
        "step_s": step_s,
        "patches_per_s": step_s and order.shape[1] / step_s,
        "peak_memory_mib": memory.peak_mib,
        "fits": fits,
    }


def _stopwatch(should_stop: ShouldStop | None) -> Any:
    from core.training.running import Pulse

    class Stopwatch(Pulse):
        """Notes when each step ends; a loss that is no number says nothing about time."""

        def __init__(self):
            super().__init__(epochs=1, steps=STEPS, on_progress=None, should_stop=should_stop, should_pause=None)
            self.ends: list[float] = []

        def on_train_batch_end(self, batch, logs=None):
            self.ends.append(time.monotonic())
            super().on_train_batch_end(batch, {})

    return Stopwatch()


def _epoch_end(run: Run, should_stop: ShouldStop | None) -> dict[str, float]:
    """Seconds of validating all rows, told from a part of them, and of writing what an epoch leaves."""
    from core.training.validation import validate

    rows, batch = run.validation_rows, run.settings.batch_size
    validation_s, confusion = 0.0, None
    with _Memory() as memory:
        if len(rows):
            sample = rows[: 3 * batch]
            for _ in range(2):  # the first time prepares the work
                began = time.monotonic()
                confusion, _ = validate(
                    run.prepared.predictor,
                    run.store,
                    sample,
                    run.normalise,
                    batch_size=batch,
                    loss=run.trainer.loss,
                    should_stop=should_stop,
                )
                validation_s = (time.monotonic() - began) * len(rows) / len(sample)
        line = {"epoch": 1, "loss": 1.0, "accuracy": 0.0, "mean_iou": 0.0, run.monitor: 0.0, "seconds": 0.0}
        run.predict_previews()  # the first time prepares the work
        began = time.monotonic()
        run.keep(line, confusion, True, 1)
        finish_s = time.monotonic() - began
    return {"validation_s": validation_s, "finish_s": finish_s, "peak_memory_mib": memory.peak_mib}


def _disk(folder: Path) -> tuple[int, int]:
    """Bytes that a run takes once, and those that each epoch adds."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    growing = sum(path.stat().st_size for path in files if {PREVIEWS, EVENTS_FOLDER} & set(path.relative_to(folder).parts))
    return sum(path.stat().st_size for path in files) - growing, growing


def _expected_peak(sizes: list[dict[str, Any]], base: float, size: int) -> float:
    """Peak memory of a larger batch, on the line through the last two sizes."""
    if not sizes:
        return 0.0
    last = sizes[-1]
    before = (sizes[-2]["batch_size"], sizes[-2]["peak_memory_mib"]) if len(sizes) > 1 else (0, base)
    slope = (last["peak_memory_mib"] - before[1]) / (last["batch_size"] - before[0])
    return last["peak_memory_mib"] + max(slope, 0.0) * (size - last["batch_size"])


class _Memory:
    """Watches the process's memory from a thread: the system's own peak would count what was there before."""

    def __enter__(self) -> _Memory:
        self.peak_mib = _rss_mib()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self.peak_mib = max(self.peak_mib, _rss_mib())


def _rss_mib() -> float:
    return psutil.Process().memory_info().rss / MIB


def _gpu_memory_mib() -> float | None:
    import tensorflow as tf

    names = [device.name.split("device:")[1] for device in tf.config.list_logical_devices("GPU")]
    return sum(tf.config.experimental.get_memory_info(name)["peak"] for name in names) / MIB if names else None
