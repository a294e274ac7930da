"""What every prediction shares: a checked request, an engine, and how the patches are laid."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from core.errors import SceneError
from core.model_store.cards import ModelCard
from core.model_store.models import Model, find_model
from core.prediction.blend.blending import bytes_per_column
from core.prediction.blend.plans import BlendPlan, plan_blend
from core.prediction.budget import resident_bytes
from core.prediction.checks import Concern, check_patch, check_scene, check_symmetries, resampling_factor
from core.prediction.engines.engine import Engine, open_engine
from core.prediction.folder.writing import GDAL_CACHE_BYTES
from core.prediction.settings import BlendSettings, PatchSize, PredictSettings, plain_size, sides
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from core.words import MIB

_SPARE_MIB = 32
_WIDEST_STRIP_PX = 6144


@dataclass(frozen=True)
class BlendLayout:
    """How patches are laid: their overlap (fraction), symmetries (1 or 8), and the resizing before the network."""

    overlap: float = 0.5
    symmetries: int = 1
    scale: float = 1.0


@dataclass(frozen=True)
class Setup:
    """A request that was checked: what to predict with which model, a layout for each scale, and what is doubtful about it."""

    model: Model
    scene: Scene
    window: Window
    layouts: tuple[BlendLayout, ...]
    patch_size: PatchSize
    memory: int
    concerns: tuple[Concern, ...]

    def open_engine(self, engine: str | Engine) -> Engine:
        """The engine, warmed up with one batch so that its memory is known."""
        ready = engine if isinstance(engine, Engine) else open_engine(self.model, engine=engine, patch_size=self.patch_size)
        shape = (ready.batch_size, *sides(ready.patch_size), len(self.model.card.bands))
        ready(np.zeros(shape, self.scene.dtype), self.any_limits)
        return ready

    @property
    def any_limits(self) -> np.ndarray | None:
        """Limits to try a network with whose values are stretched by the scene's own, which take a while; None for others."""
        return np.array([[0.0], [1.0]]) if self.model.card.by_image else None


def set_up(
    model: Model | str | os.PathLike,
    scene: Scene | str | os.PathLike,
    settings: PredictSettings,
    *,
    window: Window | None,
) -> Setup:
    """Open what is given by name, and check all of it; see `predict` for the arguments and errors."""
    model = model if isinstance(model, Model) else find_model(model)
    scene = scene if isinstance(scene, Scene) else open_scene(scene)
    if window is not None and (window.pixels == 0 or scene.window.intersect(window) != window):
        raise SceneError(
            f"{window} as the region to predict",
            expected=f"a window inside the {scene.height} x {scene.width} pixels (height x width) of {scene.name}",
            do="Choose a smaller region",
        )
    window = window or scene.window
    scale = model.card.scale * (resampling_factor(model.card, scene) if settings.resample else 1.0)
    layouts = layouts_of(settings, scale)
    size = settings.patch_size or plain_size(*model.card.patch_shape)
    for layout in layouts:
        plan_blend(scene.height, scene.width, patch_size=size, **vars(layout))
    concerns = [*check_scene(model.card, scene, window=window, resampled=settings.resample)]
    concerns += check_patch(sides(size), scene, scale)
    concerns += check_symmetries(sides(size), settings.symmetries)
    return Setup(model, scene, window, layouts, size, settings.memory_bytes, tuple(concerns))


def layouts_of(settings: BlendSettings, scale: float) -> tuple[BlendLayout, ...]:
    """How patches are laid for each of the settings' scales; `scale` resizes the scene for a factor of 1."""
    return tuple(BlendLayout(settings.overlap, settings.symmetries, scale * factor) for factor in settings.scales)


def plan_within(
    card: ModelCard, scene: Scene, window: Window, engine: Engine, layout: BlendLayout, *, memory: int
) -> tuple[BlendPlan, bool]:
    """The plan for a window of a scene, in strips that keep the process below `memory` bytes, and whether they do.

    Where the limit is too low for even the narrowest strip, that one is taken. No strip is wider than 6144 columns:
    two strips share one column of patches, 2 % of the work, and memory stops growing with the scene's width.
    """
    settings = dict(patch_size=engine.patch_size, region=window, **vars(layout))
    plan = plan_blend(scene.height, scene.width, **settings)
    column = bytes_per_column(plan, bands=len(card.bands), itemsize=np.dtype(scene.dtype).itemsize, classes=engine.classes)
    free = memory - resident_bytes() - GDAL_CACHE_BYTES - _SPARE_MIB * MIB
    columns, narrowest = min(free // column, _WIDEST_STRIP_PX), 3 * sides(engine.patch_size)[1]
    if columns >= widest_px(plan):
        return plan, True
    return plan_blend(scene.height, scene.width, strip_width=max(columns, narrowest), **settings), columns >= narrowest


def widest_px(plan: BlendPlan) -> int:
    """Columns of the network's grid that the widest strip holds."""
    return max(strip.col_starts[-1] - strip.col_starts[0] + plan.patch_width for strip in plan.strips)
