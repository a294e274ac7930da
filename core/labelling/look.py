"""The bands of a scene on one footing: any type and number of them as a few standardised ones, the same all over the scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.scenes.scene import Scene, Window

MOST_BANDS = 4
_THUMBNAIL_PX = 512
_RIMS = (2, 98)
"""Percentiles between which a band's values lie, but for a few that are cut off at `_FAR`."""
_FAR = 8.0


@dataclass(frozen=True, eq=False)
class Look:
    """How a scene's bands become C standardised ones: less `middle` (B,), by `width` (B,), and mixed by `axes` (B, C)."""

    middle: np.ndarray
    width: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, scene: Scene) -> Look:
        """Of a small picture of the scene: robust ranges of its bands, and of more than four their principal axes (Hotelling 1933)."""
        scale = min(1.0, _THUMBNAIL_PX / max(scene.shape))
        shape = max(1, round(scene.height * scale)), max(1, round(scene.width * scale))
        pixels = scene.read(out_shape=shape)[scene.valid(out_shape=shape)].astype(np.float64)
        pixels = pixels[np.isfinite(pixels).all(axis=1)]
        if not len(pixels):
            return cls(np.zeros(scene.bands), np.ones(scene.bands), np.eye(scene.bands, min(scene.bands, MOST_BANDS)))
        low, high = np.percentile(pixels, _RIMS, axis=0)
        middle, width = (low + high) / 2, (high - low) / 4
        width[width <= 0] = 1.0
        if scene.bands <= MOST_BANDS:
            return cls(middle, width, np.eye(scene.bands))
        spread, axes = np.linalg.eigh(np.cov((pixels - middle) / width, rowvar=False))
        strongest = axes[:, np.argsort(-spread)[:MOST_BANDS]] / np.sqrt(np.sort(spread)[::-1][:MOST_BANDS].clip(1e-6))
        signs = np.sign(strongest[np.abs(strongest).argmax(axis=0), np.arange(MOST_BANDS)])
        return cls(middle, width, strongest * signs)

    @property
    def bands(self) -> int:
        """How many there are afterwards."""
        return self.axes.shape[1]

    def read(self, scene: Scene, window: Window) -> np.ndarray:
        """Standardised bands float32 (h, w, C) of a window that may reach beyond the scene, which is mirrored there; 0 on nodata."""
        inside = window.intersect(scene.window)
        pixels = scene.read(inside).astype(np.float32)
        known = scene.valid(inside) & np.isfinite(pixels).all(axis=-1)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.clip((pixels - self.middle.astype(np.float32)) / self.width.astype(np.float32), -_FAR, _FAR)
        bands = np.where(known[..., None], scaled, 0) @ self.axes.astype(np.float32)
        return mirrored(np.clip(bands, -_FAR, _FAR), window, scene.window)


def mirrored(bands: np.ndarray, window: Window, scene: Window) -> np.ndarray:
    """Bands (h, w, C) of a window that reaches beyond the scene, from those of the part inside, by mirroring at the scene's ends."""
    inside = window.intersect(scene)
    before = inside.row - window.row, inside.col - window.col
    after = window.row_stop - inside.row_stop, window.col_stop - inside.col_stop
    return np.pad(bands, (*zip(before, after, strict=True), (0, 0)), mode="symmetric")
