"""A scene looked at once for each of several scales; what comes out is the mean of all looks.

Every look but the last leaves its probabilities as bytes in a file of its own, so that memory stays that of one look and an
interrupted run can go on in any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import rasterio

from core.model_store.cards import ModelCard
from core.patches.statistics import image_limits
from core.prediction.blend.blending import BlendResult, Network, Tally, blend
from core.prediction.blend.plans import BlendPlan
from core.prediction.blend.tempering import tempered
from core.prediction.engines.engine import Engine
from core.prediction.folder.writing import GDAL_CACHE_BYTES, RawWriter, ValueWriter, writer_in
from core.progress import OnProgress, ShouldStop, part
from core.scenes.scene import Scene, Window

Write = Callable[[Window, np.ndarray], None]


def run_passes(
    plans: Sequence[BlendPlan],
    card: ModelCard,
    scene: Scene,
    window: Window,
    engine: Engine,
    write: Write,
    folder: Path,
    *,
    done: tuple[int, int, int] = (0, 0, 0),
    tallies: Sequence[Tally] = (),
    on_part: Callable[[int, Window, np.ndarray | None], None] | None = None,
    limits: np.ndarray | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> BlendResult:
    """Blend a window of a scene, which is the plans' region; `write` gets windows of the mean that are counted from its corner.

    Pixels around the window are read as its surroundings. `done` is the pass to go on in, and within it what `blend` takes, in
    rows of the scene; `tallies`, one for each pass, are those of `blend`. `folder` takes the files of the passes before the last;
    `on_part` hears of each part of these, once it is kept, with its labels (None of measured values). The card's temperature is applied to
    the mean, so that it cannot change which class wins. What a card wants to know of the whole scene is read first, window by window;
    `limits` is what `limits_of` says of it where that was done before.
    """
    network: Network = engine
    tallies, earlier = list(tallies) or [Tally() for _ in plans], []
    whole = sum(plan.windows for plan in plans)
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES):
        limits = limits_of(card, scene, should_stop=should_stop) if limits is None else limits
        if limits is not None:
            network = partial(engine, limits=limits)
        try:
            for number, plan in enumerate(plans):
                if number < len(plans) - 1:
                    place = folder / f"pass{number}"
                    place.mkdir(exist_ok=True)
                    earlier.append(writer_in(place, window.height, window.width, engine.classes, measured=card.measured is not None))
                    take = partial(_keep, earlier[-1], None if on_part is None else partial(on_part, number))
                else:
                    take = partial(_hand_on, earlier, write, card.temperature)
                if number < done[0]:
                    continue
                begun = sum(each.windows for each in plans[:number])
                blend(
                    plan,
                    lambda part: scene.read(part, card.bands),
                    network,
                    partial(_from_corner, window, take),
                    classes=engine.classes,
                    valid=scene.valid,
                    batch_size=engine.batch_size,
                    done=done[1:] if number == done[0] else (0, 0),
                    tally=tallies[number],
                    on_progress=part(on_progress, begun, begun + plan.windows, whole),
                    should_stop=should_stop,
                )
        finally:
            for raw in earlier:
                raw.close()
    seams = [tally.seam_score for tally in tallies]
    worst = float(np.nanmax(seams)) if np.isfinite(seams).any() else float("nan")
    return BlendResult(sum(tally.windows for tally in tallies), sum(tally.model_seconds for tally in tallies), worst)


def limits_of(card: ModelCard, scene: Scene, *, should_stop: ShouldStop | None = None) -> np.ndarray | None:
    """Limits (2, B) that values are stretched between, for a card that takes them from the whole scene; None for others.

    Raises Cancelled.
    """
    if not card.by_image:
        return None
    rule = card.normalisation
    return image_limits(scene, card.bands, low=rule["low"], high=rule["high"], should_stop=should_stop)


def _from_corner(window: Window, take: Write, place: Window, probabilities: np.ndarray) -> None:
    take(Window(place.row - window.row, place.col - window.col, place.height, place.width), probabilities)


def _keep(
    raw: RawWriter | ValueWriter, told: Callable[[Window, np.ndarray | None], None] | None, place: Window, probabilities: np.ndarray
) -> None:
    labels = raw.write(place, probabilities, np.ones(probabilities.shape[:2], bool))
    raw.flush()
    if told is not None:
        told(place, labels)


def _hand_on(
    earlier: Sequence[RawWriter | ValueWriter], write: Write, temperature: float, place: Window, probabilities: np.ndarray
) -> None:
    for raw in earlier:
        probabilities = probabilities + raw.read(place)
    if earlier:
        probabilities = probabilities / np.float32(len(earlier) + 1)
    write(place, tempered(probabilities, temperature))
