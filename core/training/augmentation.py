"""Random changes of training patches: the picture changes, what it shows does not. NumPy only, so that it is equal on every backend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from core.classes import IGNORED_ID
from core.errors import SettingsError

LARGEST = {
    "zoom": 3.0,
    "shift": 0.5,
    "brightness": 3.0,
    "contrast": 0.95,
    "band_gain": 0.95,
    "noise": 1.0,
    "blur_chance": 1.0,
    "cutout": 0.9,
    "crop": 0.9,
    "hue": 0.5,
}
"""The highest strength of each kind that is a number."""


@dataclass(frozen=True)
class Augmentation:
    """How strongly patches are changed; 0 or False switches a change off.

    `zoom`: largest change of scale, as a fraction (0.25: 0.8 to 1.25 times). `shift`: largest move as a fraction of the
    size, reflected at the rim in the image and ignored in the mask. Brightness and noise are in standard deviations of
    the patch's band, `contrast` and `band_gain` fractions. `blur_chance`: of a 3 x 3 mean.
    `cutout`: largest side of a blanked rectangle, as a fraction. `crop`: largest part of the sides that is cut away
    before the rest is enlarged to the patch's size. `hue`: largest turn of the colours as a fraction of the colour
    circle, for images of three bands (red, green, blue) only. Raises SettingsError for a strength out of its range.
    """

    flips: bool = True
    quarter_turns: bool = True
    zoom: float = 0.25
    shift: float = 0.1
    brightness: float = 0.3
    contrast: float = 0.2
    band_gain: float = 0.1
    noise: float = 0.05
    blur_chance: float = 0.0
    cutout: float = 0.0
    crop: float = 0.0
    hue: float = 0.0

    def __post_init__(self):
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(item.default, bool):
                if not isinstance(value, bool):
                    raise SettingsError(f"augmentation {item.name} {value!r}", expected="true or false", do=f"Change {item.name}")
                continue
            highest = LARGEST[item.name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= highest:
                raise SettingsError(
                    f"augmentation {item.name} {value!r}", expected=f"a number from 0 to {highest:g}", do=f"Change {item.name}"
                )

    def to_dict(self) -> dict[str, Any]:
        """The strengths as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Augmentation:
        """Read what `to_dict` wrote; what is not named has its default. Raises SettingsError for an unknown name."""
        known = [item.name for item in fields(cls)]
        strangers = sorted(set(value) - set(known))
        if strangers:
            raise SettingsError(f"unknown augmentation {strangers}", expected=f"some of {known}", do="Remove or rename them")
        return cls(**value)

    def apply(self, image: np.ndarray, mask: np.ndarray, *, seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """A changed copy of an image (h, w, B) of any dtype, as float32 in the same units, and of its ids (h, w) uint8.

        Equal seeds give equal results. Masks are moved by nearest neighbour; a pixel from outside the patch is ignored.
        """
        rng = np.random.default_rng(seed)
        image, mask = self._turn(image, mask, rng)
        image, mask = self._resample(image, mask, rng)
        image = self._recolour(np.asarray(image, np.float32), rng)
        return self._cut(image, mask, rng)

    def _turn(self, image, mask, rng):
        if self.flips:
            if rng.random() < 0.5:
                image, mask = image[::-1], mask[::-1]
            if rng.random() < 0.5:
                image, mask = image[:, ::-1], mask[:, ::-1]
        # Only a square patch keeps its shape in a quarter turn.
        if self.quarter_turns and image.shape[0] == image.shape[1] and rng.random() < 0.5:
            image, mask = image.swapaxes(0, 1), mask.swapaxes(0, 1)
        return image, mask

    def _resample(self, image, mask, rng):
        if not self.zoom and not self.shift and not self.crop:
            return image, mask
        height, width = mask.shape
        factor = np.exp(rng.uniform(-1, 1) * np.log1p(self.zoom))
        moves = rng.uniform(-self.shift, self.shift, 2) * (height, width)
        if self.crop:
            cut = rng.uniform(0, self.crop)
            factor /= 1 - cut
            # The window that is left lies anywhere inside the patch.
            moves += rng.uniform(-cut / 2, cut / 2, 2) * (height - 1, width - 1)
        rows = _positions(height, factor, moves[0])
        columns = _positions(width, factor, moves[1])
        image = _lerp(_lerp(np.asarray(image, np.float32), rows, 0), columns, 1)
        return image, _nearest(mask, rows, columns)

    def _recolour(self, image, rng):
        centre, spread = _statistics(image)
        gain = 1 + rng.uniform(-self.contrast, self.contrast)
        gains = np.float32(gain) * (1 + rng.uniform(-self.band_gain, self.band_gain, image.shape[2])).astype(np.float32)
        offset = np.float32(rng.uniform(-self.brightness, self.brightness)) * spread
        image = image * gains
        image += centre - centre * gains + offset
        if self.hue and image.shape[2] == 3:
            image = image @ _turn_of_hue(rng.uniform(-self.hue, self.hue))
        if self.blur_chance and rng.random() < self.blur_chance:
            image = _blur(image)
        if self.noise:
            strength = np.float32(rng.uniform(0, self.noise)) * spread
            grain = rng.standard_normal(image.shape, dtype=np.float32)
            grain *= strength
            image += grain
        return image

    def _cut(self, image, mask, rng):
        if not self.cutout:
            return np.ascontiguousarray(image), np.ascontiguousarray(mask)
        height, width = mask.shape
        tall, wide = (rng.uniform(0, self.cutout, 2) * (height, width)).astype(int)
        row, column = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
        image, mask = np.array(image), np.array(mask)
        image[row : row + tall, column : column + wide] = _statistics(image)[0]
        mask[row : row + tall, column : column + wide] = IGNORED_ID
        return image, mask


def _turn_of_hue(turn: float) -> np.ndarray:
    """Matrix float32 (3, 3) for colours in rows that turns them around the grey axis by a fraction of the colour circle."""
    angle = 2 * math.pi * turn
    along, across = (1 - math.cos(angle)) / 3, math.sin(angle) / math.sqrt(3)
    first = math.cos(angle) + along
    return np.array(
        [[first, along + across, along - across], [along - across, first, along + across], [along + across, along - across, first]],
        np.float32,
    )


def _statistics(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each band, float32 (B,), from every fourth pixel each way: the rest says the same."""
    sample = image[::4, ::4].reshape(-1, image.shape[2])
    sample = sample[np.isfinite(sample).all(1)]
    if not len(sample):
        return np.zeros(image.shape[2], np.float32), np.zeros(image.shape[2], np.float32)
    return sample.mean(0), sample.std(0)


def _positions(size: int, factor: float, move: float) -> np.ndarray:
    """Source coordinate of each of `size` pixels, when the picture grows by `factor` around its centre and moves."""
    centre = (size - 1) / 2
    return (np.arange(size) - centre) / factor + centre + move


def _lerp(image: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    size = image.shape[axis]
    below = np.floor(positions).astype(int)
    share = (positions - below).astype(np.float32)
    share = share.reshape([-1 if i == axis else 1 for i in range(image.ndim)])
    low = image.take(_reflect(below, size), axis)
    high = image.take(_reflect(below + 1, size), axis)
    high -= low
    high *= share
    high += low
    return high


def _nearest(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    near_rows, near_columns = np.rint(rows).astype(int), np.rint(columns).astype(int)
    height, width = mask.shape
    moved = mask[_reflect(near_rows, height)][:, _reflect(near_columns, width)]
    moved[(near_rows < 0) | (near_rows >= height)] = IGNORED_ID
    moved[:, (near_columns < 0) | (near_columns >= width)] = IGNORED_ID
    return moved


def _reflect(indices: np.ndarray, size: int) -> np.ndarray:
    if size == 1:
        return np.zeros_like(indices)
    period = 2 * (size - 1)
    indices = np.abs(indices) % period
    return np.where(indices >= size, period - indices, indices)


def _blur(image: np.ndarray) -> np.ndarray:
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9)


NONE = Augmentation(**{item.name: type(item.default)(0) for item in fields(Augmentation)})
"""Changes nothing."""
