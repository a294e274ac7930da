"""What every prediction shares: a scene, an engine, and how the patches are laid."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import rasterio

from core.learning.cards import ModelCard
from core.prediction.blending import BlendResult, blend, bytes_per_column
from core.prediction.budget import MIB, resident_bytes
from core.prediction.engine import Engine
from core.prediction.plans import BlendPlan, plan_blend
from core.prediction.writing import GDAL_CACHE_MIB
from core.progress import OnProgress, ShouldStop
from core.scene import Scene, Window, open_scene

_SPARE_MIB = 32


@dataclass(frozen=True)
class Layout:
    """How patches are laid: their overlap (fraction), symmetries (1 or 8), and the resizing before the network."""

    overlap: float = 0.5
    symmetries: int = 1
    scale: float = 1.0


def as_scene(scene: Scene | str | os.PathLike) -> Scene:
    """A scene, opened when it is a path."""
    return scene if isinstance(scene, Scene) else open_scene(scene)


def plan_within(
    card: ModelCard, scene: Scene, window: Window, engine: Engine, layout: Layout, *, memory: int | None
) -> tuple[BlendPlan, bool]:
    """The plan for a window of a scene, in strips that keep the process below `memory` bytes, and whether they do.

    None sets no limit. Where the limit is too low for even the narrowest strip, that one is taken.
    """
    settings = dict(patch_size=engine.patch_size, overlap=layout.overlap, symmetries=layout.symmetries, scale=layout.scale)
    plan = plan_blend(window.height, window.width, **settings)
    if memory is None:
        return plan, True
    column = bytes_per_column(plan, bands=len(card.bands), itemsize=np.dtype(scene.dtype).itemsize, classes=engine.classes)
    free = memory - resident_bytes() - (GDAL_CACHE_MIB + _SPARE_MIB) * MIB
    columns, narrowest = free // column, 3 * engine.patch_size
    if columns >= plan.col_starts[-1] - plan.col_starts[0] + engine.patch_size:
        return plan, True
    return plan_blend(window.height, window.width, strip_width=max(columns, narrowest), **settings), columns >= narrowest


def run_blend(
    plan: BlendPlan,
    card: ModelCard,
    scene: Scene,
    window: Window,
    engine: Engine,
    write: Callable[[Window, np.ndarray], None],
    *,
    done: tuple[int, int] = (0, 0),
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> BlendResult:
    """Blend a window of a scene; `write` gets windows that are counted from the window's corner."""

    def shifted(part: Window) -> Window:
        return Window(part.row + window.row, part.col + window.col, part.height, part.width)

    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MIB):
        return blend(
            plan,
            lambda part: scene.read(shifted(part), card.bands),
            engine,
            write,
            classes=engine.classes,
            valid=lambda part: scene.valid(shifted(part)),
            batch_size=engine.batch_size,
            done=done,
            on_progress=on_progress,
            should_stop=should_stop,
        )
