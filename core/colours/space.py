"""Colours as eyes see them: how far apart two are, and whether one is seen on a ground."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]

DARK_GROUND: Colour = (0x1B, 0x25, 0x2A)
LIGHT_GROUND: Colour = (0xE3, 0xE9, 0xEA)
"""Plain grounds of maps in the two themes."""

SEEN = 1.6
"""Contrast from which on a colour is seen on a ground."""

_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
_D65 = np.array([0.95047, 1.0, 1.08883])


def lab(colours: npt.ArrayLike) -> np.ndarray:
    """CIELAB (D65) of sRGB colours (..., 3) in 0 to 255, float64 (..., 3); the Euclidean distance of two is their difference (CIE 1976)."""
    xyz = _linear(colours) @ _TO_XYZ.T / _D65
    bent = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def luminance(colours: npt.ArrayLike) -> np.ndarray:
    """Relative luminance, 0 to 1, of sRGB colours (..., 3) in 0 to 255."""
    return _linear(colours) @ _TO_XYZ[1]


def contrast(colours: npt.ArrayLike, ground: npt.ArrayLike) -> np.ndarray:
    """Contrast, 1 to 21, of sRGB colours (..., 3) in 0 to 255 on a ground (WCAG 2.2)."""
    one, other = luminance(colours), luminance(ground)
    return (np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05)


def seen(colours: npt.ArrayLike) -> np.ndarray:
    """Whether sRGB colours (..., 3) in 0 to 255 are seen on the dark ground of a map and on the light one."""
    return (contrast(colours, DARK_GROUND) >= SEEN) & (contrast(colours, LIGHT_GROUND) >= SEEN)


def ground_colour(dark: bool) -> Colour:
    """The plain ground of a map in the dark theme or the light one."""
    return DARK_GROUND if dark else LIGHT_GROUND


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """A colour with a share (0 to 1) of another in it."""
    red, green, blue = (round(one + share * (two - one)) for one, two in zip(colour, other, strict=True))
    return red, green, blue


def shades(colour: Colour) -> list[Colour]:
    """Lighter and darker shades of a colour, the nearest first."""
    return [mixed(colour, end, share) for share in (0.25, 0.4, 0.55) for end in (_WHITE, _BLACK)]


def edge_on(colour: Colour, ground: Colour) -> Colour:
    """The colour of an outline that is seen on a ground: the colour itself, or as little lighter or darker as that takes."""
    end = _WHITE if luminance(ground) < luminance(_WHITE) / 4 else _BLACK
    steps = (mixed(colour, end, share / 10) for share in range(11))
    return next(step for step in steps if contrast(step, ground) >= SEEN)


def _linear(colours: npt.ArrayLike) -> np.ndarray:
    values = np.asarray(colours, float) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
