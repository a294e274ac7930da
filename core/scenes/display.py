"""Pixels of any kind as a picture: which bands, and between which values."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np

from core.scenes.scene import Scene, Window

_SAMPLE_PX = 1024  # side of the decimated picture that stretch limits are taken from
_MOST_KNOWN = 512
_known_limits: dict[tuple[str, tuple[int, ...]], tuple[np.ndarray, np.ndarray]] = {}


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


def scene_limits(scene: Scene, bands: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Values to show as black and as white, per band, the same for all tiles of a scene; None for uint8, which is shown as it is."""
    if scene.dtype == "uint8":
        return None
    key = (scene.digest, bands)
    if key not in _known_limits:
        if len(_known_limits) >= _MOST_KNOWN:
            _known_limits.clear()
        _known_limits[key] = _measured(scene, bands)
    return _known_limits[key]


def _measured(scene: Scene, bands: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """2nd and 98th percentile of each band, from a decimated picture of the scene: the same for all of its tiles."""
    factor = max(1.0, max(scene.shape) / _SAMPLE_PX)
    shape = (max(1, round(scene.height / factor)), max(1, round(scene.width / factor)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return stretch_limits(scene.read(bands=bands, out_shape=shape), scene.valid(out_shape=shape), (2, 98))


def encode(pixels: np.ndarray, *, lossy: bool = False) -> tuple[bytes, str]:
    """Bytes and media type of a picture uint8 (h, w, 3 or 4): JPEG when `lossy`, else PNG."""
    from PIL import Image

    out = io.BytesIO()
    picture = Image.fromarray(pixels)
    if lossy:
        picture.save(out, "JPEG", quality=88)
        return out.getvalue(), "image/jpeg"
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue(), "image/png"
