"""A part of a scene as a scene of its own, to show a prediction of a region on the pixels that it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.scenes.scene import Scene, Window


@dataclass(frozen=True, eq=False)
class _Part:
    """Reads a window of another scene; windows are counted from its corner."""

    scene: Scene
    window: Window

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        return self.scene.read(self._within(window), bands, out_shape=out_shape, categorical=categorical)

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        return self.scene.valid(self._within(window), out_shape=out_shape)

    def fingerprint(self) -> str:
        return f"{self.scene.digest}-{self.window.row}-{self.window.col}-{self.window.height}-{self.window.width}"

    def _within(self, window: Window) -> Window:
        return replace(window, row=window.row + self.window.row, col=window.col + self.window.col)


def cut(scene: Scene, window: Window) -> Scene:
    """The pixels of `window` as a scene with the georeference of that place; the scene itself when it is all of it."""
    if window == scene.window:
        return scene
    geo = scene.geo.window(window.row, window.col)
    return replace(scene, height=window.height, width=window.width, geo=geo, source=_Part(scene, window))
