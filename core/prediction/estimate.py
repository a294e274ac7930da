"""What a prediction will cost, from a few of its own patches."""

from __future__ import annotations

import math
import os
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from core.cluster.where import cores
from core.model_store.cards import ModelCard
from core.model_store.models import Model
from core.prediction.blend.blending import bytes_per_column
from core.prediction.blend.kernels import quantise, rank
from core.prediction.blend.plans import BlendPlan
from core.prediction.budget import resident_bytes
from core.prediction.checks import Concern
from core.prediction.engines.engine import Engine
from core.prediction.folder.writing import GDAL_CACHE_BYTES
from core.prediction.running import Setup, plan_within, set_up, widest_px
from core.prediction.settings import PredictSettings, sides
from core.scenes.scene import Scene, Window
from core.words import MIB

_PROBES = 6
_MASK_PX = 1024
_BYTES_OF_VALUE = 4
_OPENING_S = 1.5
# Measured on 2 cores for the blending, overviews and compression of one byte: bench/predict.py prints the whole.
_SECONDS_PER_BYTE = 20e-9


@dataclass(frozen=True)
class Estimate:
    """What a prediction will take: seconds on `cores`, peak memory of the process, disk while it is made, size of the result.

    area_km2: of the ground that is predicted, None where pixels have no known size.
    """

    seconds: float
    model_seconds: float
    peak_memory_mib: float
    disk_mib: float
    result_mib: float
    windows: int
    engine: str
    cores: int
    area_km2: float | None = None
    warnings: tuple[Mapping[str, str], ...] = ()

    def summary(self) -> dict[str, Any]:
        """The estimate as plain values."""
        return asdict(self)


def estimate(
    model: Model | str | os.PathLike,
    scene: Scene | str | os.PathLike,
    settings: PredictSettings | None = None,
    *,
    engine: Engine | str | None = None,
    window: Window | None = None,
    **told: Any,
) -> Estimate:
    """Time, memory and disk that `predict` with the same arguments will take, from a probe of a few patches.

    Raises what `predict` raises for a request that cannot work.
    """
    settings = replace(settings or PredictSettings(), **told)
    setup = set_up(model, scene, settings, window=window)
    ready = setup.open_engine(engine or settings.engine)
    plans = [plan_within(setup.model.card, setup.scene, setup.window, ready, each, memory=setup.memory)[0] for each in setup.layouts]
    windows = sum(_filled_windows(plan, setup) for plan in plans)
    reading, network, packed = _probe(plans[0], setup, ready)
    model_seconds = windows * settings.symmetries * network
    pixels = setup.window.pixels
    beyond = windows * reading * (1 - settings.overlap) ** 2 + pixels * (ready.classes + 3) * _SECONDS_PER_BYTE
    share = windows / sum(plan.windows for plan in plans)
    making, result = disk_bytes(pixels, kept_bytes(setup.model.card), packed * share, passes=len(plans))
    concerns = (*setup.concerns, Concern("int8", ready.doubt)) if ready.doubt else setup.concerns
    return Estimate(
        seconds=_OPENING_S + model_seconds + beyond,
        model_seconds=model_seconds,
        peak_memory_mib=max(_peak_bytes(plan, setup, ready) for plan in plans) / MIB,
        disk_mib=making / MIB,
        result_mib=result / MIB,
        windows=windows,
        engine=ready.name,
        cores=cores(),
        area_km2=_area_km2(setup),
        warnings=tuple({"code": concern.code, "sentence": concern.sentence} for concern in concerns),
    )


def kept_bytes(card: ModelCard) -> int:
    """Bytes that are kept of the network's output for each pixel: one for each class, four for a measured value."""
    return len(card.scheme) if card.measured is None else _BYTES_OF_VALUE


def disk_bytes(pixels: int, classes: int, packed: float | None = None, *, passes: int = 1) -> tuple[int, int]:
    """Bytes on disk at most while a prediction is made, and of the result: plain bytes with overviews, and compressed.

    The most is there when all plain bytes are and no file yet, or when the last file is written from the bytes of the classes and the mask.
    Each of the `passes` but the last keeps a byte for each class. `packed` is the compressed bytes per pixel, those of a network that is
    seldom sure when None.
    """
    result = pixels * (0.8 * classes + 2.1 if packed is None else packed)
    plain = max(pixels * (classes + 4) * 4 / 3, pixels * (classes + 1) * 4 / 3 + result)
    return int(plain + pixels * (passes - 1) * classes), int(result)


def _area_km2(setup: Setup) -> float | None:
    scene, window = setup.scene, setup.window
    pixel = scene.geo.pixel_area_m2(window.row + window.height / 2, window.col + window.width / 2)
    return None if pixel is None else pixel * window.pixels / 1e6


def _probe(plan: BlendPlan, setup: Setup, engine: Engine) -> tuple[float, float, float]:
    """Median seconds to read one patch of the scene, and to put one through the network; compressed bytes per pixel."""
    window, bands = setup.window, setup.model.card.bands
    height, width = (
        min(length, round(side / plan.scale)) for length, side in zip((window.height, window.width), sides(engine.patch_size), strict=True)
    )
    reading, network, packed = [], [], []
    for place in np.linspace(0, 1, _PROBES):
        corner = Window(
            window.row + round(place * (window.height - height)),
            window.col + round((place * 3 % 1) * (window.width - width)),
            height,
            width,
        )
        begun = time.perf_counter()
        pixels = setup.scene.read(corner, bands)
        reading.append(time.perf_counter() - begun)
        rows, cols = (np.arange(side) * length // side for side, length in zip(sides(engine.patch_size), (height, width), strict=True))
        patches = np.repeat(pixels[np.ix_(rows, cols)][None], engine.batch_size, axis=0)
        begun = time.perf_counter()
        answer = engine(patches, setup.any_limits)[0]
        network.append((time.perf_counter() - begun) / engine.batch_size)
        packed.append(_packed(answer) if setup.model.card.measured is None else _BYTES_OF_VALUE)
    return float(np.median(reading)), float(np.median(network)), float(np.mean(packed))


def _packed(answer: np.ndarray) -> float:
    """Compressed bytes per pixel of a patch's probabilities (h, w, K) and of the labels, confidence and margin that follow.

    Blending makes the whole smoother than its patches, by about what the overviews add.
    """
    (height, width, classes), every = answer.shape, np.ones(answer.shape[:2], bool)
    block, ranked = np.empty((height, classes, width), np.uint8), np.empty((4, height, width), np.uint8)
    quantise(np.ascontiguousarray(answer, np.float32), every, block, ranked[0])
    rank(block, *ranked)
    return sum(len(zlib.compress(part.tobytes(), 1)) for part in (block.transpose(1, 0, 2), *ranked)) / (height * width)


def _filled_windows(plan: BlendPlan, setup: Setup) -> int:
    """Patches that hold a valid pixel, counted on a decimated mask."""
    starts = plan.rows_touching(plan.region.row)
    top, bottom = starts[0], starts[-1] + plan.patch_height
    left = plan.strips[0].col_starts[0]
    right = plan.strips[-1].col_starts[-1] + plan.patch_width
    corner = math.floor(max(top, 0) / plan.scale), math.floor(max(left, 0) / plan.scale)
    far = (math.ceil(min(bottom, plan.net_height) / plan.scale), math.ceil(min(right, plan.net_width) / plan.scale))
    area = Window(*corner, far[0] - corner[0], far[1] - corner[1]).intersect(setup.scene.window)
    shape = min(area.height, _MASK_PX), min(area.width, _MASK_PX)
    valid = setup.scene.valid(area, out_shape=shape)
    if valid.all():
        return plan.windows
    sums = np.pad(valid, ((1, 0), (1, 0))).cumsum(axis=0, dtype=np.int64).cumsum(axis=1)

    def edges(starts: tuple[int, ...], side: int, first: int, length: int, masked: int) -> tuple[np.ndarray, np.ndarray]:
        begin, end = (np.clip((np.array(starts) + plus) / plan.scale - first, 0, length) for plus in (0, side))
        return np.floor(begin * masked / length).astype(int), np.ceil(end * masked / length).astype(int)

    top, bottom = edges(starts, plan.patch_height, area.row, area.height, shape[0])
    total = 0
    for strip in plan.strips:
        left, right = edges(strip.col_starts, plan.patch_width, area.col, area.width, shape[1])
        inside = sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
        total += int(np.count_nonzero(inside))
    return total


def _peak_bytes(plan: BlendPlan, setup: Setup, engine: Engine) -> int:
    itemsize = np.dtype(setup.scene.dtype).itemsize
    column = bytes_per_column(plan, bands=len(setup.model.card.bands), itemsize=itemsize, classes=engine.classes)
    return resident_bytes() + column * widest_px(plan) + GDAL_CACHE_BYTES
