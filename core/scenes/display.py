"""Pixels of any kind as a picture: which bands, and between which values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.scenes.scene import Scene, Window


def display_rgb(
    scene: Scene,
    window: Window | None = None,
    *,
    bands: Sequence[int] | None = None,
    out_shape: tuple[int, int] | None = None,
    percentiles: tuple[float, float] = (2, 98),
    limits: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """A picture uint8 (h, w, 3) of three bands, or of one in grey.

    uint8 data is shown as it is; anything else is stretched between two `percentiles` of the valid pixels of
    this window, or between `limits` (low, high per band) when given, so that neighbouring windows look alike.
    """
    chosen = tuple(bands) if bands is not None else default_rgb(scene)
    pixels = scene.read(window, chosen, out_shape=out_shape)
    if pixels.dtype != np.uint8:
        pixels = stretch(pixels, limits or stretch_limits(pixels, scene.valid(window, out_shape=out_shape), percentiles))
    return three_bands(pixels)


def stretch(pixels: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Pixels (h, w, bands) as uint8: 0 at the low limit of their band and 255 at the high one, and 0 where there is no number."""
    low, high = (np.asarray(side, np.float32) for side in limits)
    scaled = np.nan_to_num((pixels.astype(np.float32) - low) / np.maximum(high - low, 1e-12), nan=0.0)
    return (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)


def three_bands(pixels: np.ndarray) -> np.ndarray:
    """Pixels (h, w, 3) of the first three bands, or of the first one in grey where there are fewer."""
    return np.repeat(pixels[..., :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[..., :3]


def stretch_limits(pixels: np.ndarray, valid: np.ndarray, percentiles: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Low and high value of each band, float (bands,), at two percentiles of the valid pixels (h, w, bands)."""
    sample = pixels[valid].astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    if sample.shape[0] == 0:
        return np.zeros(pixels.shape[2]), np.ones(pixels.shape[2])
    low, high = np.percentile(sample, percentiles, axis=0)
    return low, high


def default_rgb(scene: Scene) -> tuple[int, ...]:
    """Bands to show as red, green and blue: 1, 2, 3 of a picture, 4, 3, 2 of a multispectral scene, 1 of a single band."""
    if scene.bands < 3:
        return (1,)
    return (4, 3, 2) if scene.bands >= 10 else (1, 2, 3)
