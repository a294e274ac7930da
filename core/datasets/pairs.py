"""An image and what labels it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from core.classes import IGNORED_ID, ClassScheme
from core.datasets import palettes
from core.errors import MaskError
from core.scenes.cutting import cut
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window


@dataclass(frozen=True)
class Pair:
    """An image and its mask. Files are opened when `image`, `mask` or `labels` is first asked for.

    `group` names the tile or place it belongs to. `shift_px` (rows, columns) and `crop` are remedies: the mask is
    moved, and image and mask of different sizes are cut to the common part. `label_files` names the files that the mask
    is made of where they are more than `mask_path`.
    """

    name: str
    image_path: Path
    mask_path: Path | None
    group: str
    kind: str = "colour"
    shift_px: tuple[int, int] = (0, 0)
    crop: bool = False
    label_files: tuple[Path, ...] = ()
    image_opener: Callable[[], Scene] | None = field(default=None, repr=False, compare=False)
    mask_opener: Callable[[], Scene | None] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def image(self) -> Scene:
        """The image. Raises SceneError when it cannot be opened."""
        return self.image_opener() if self.image_opener else open_scene(self.image_path)

    @cached_property
    def mask(self) -> Scene | None:
        """The mask as it lies on disk, None for an image without one. Raises SceneError when it cannot be opened."""
        if self.mask_opener:
            return self.mask_opener()
        return None if self.mask_path is None else open_scene(self.mask_path, expand_palette=self.kind == "colour")

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(height, width) that image and mask share.

        Raises MaskError when their sizes differ and the data set's remedies do not say to crop.
        """
        image, mask = self.image, self.mask
        if mask is None or mask.shape == image.shape:
            return image.shape
        if not self.crop:
            raise MaskError(
                f"mask of {self.name} has {mask.height} x {mask.width} pixels (height x width)",
                expected=f"the size of its image, {image.height} x {image.width}",
                do="Run the audit, which can write a remedy, or mend the mask",
            )
        return min(image.height, mask.height), min(image.width, mask.width)

    def labels(self, scheme: ClassScheme, window: Window | None = None) -> np.ndarray:
        """Class ids uint8 (h, w) of a window of the image; 255 where nothing is labelled."""
        return self.labels_and_strangers(scheme, window)[0]

    def labels_and_strangers(self, scheme: ClassScheme, window: Window | None = None) -> tuple[np.ndarray, dict[str, int]]:
        """Class ids uint8 (h, w), and the pixels of each colour ("#RRGGBB") or value ("7") that is no class.

        Raises MaskError for a pair without mask.
        """
        window = window or Window(0, 0, *self.shape)
        mask = self.mask
        if mask is None:
            raise MaskError(f"no mask for {self.name}", expected="a mask for each image", do="Add it or leave the image out")
        rows, cols = self.shift_px
        wanted = Window(window.row - rows, window.col - cols, window.height, window.width)
        inside = wanted.intersect(mask.window)
        if inside == wanted:
            return encode_mask(mask.read(wanted, categorical=True), scheme, self.kind)
        ids = np.full((window.height, window.width), IGNORED_ID, np.uint8)
        if inside.pixels == 0:
            return ids, {}
        part, strangers = encode_mask(mask.read(inside, categorical=True), scheme, self.kind)
        row, col = inside.row - wanted.row, inside.col - wanted.col
        ids[row : row + inside.height, col : col + inside.width] = part
        return ids, strangers


def cut_pair(pair: Pair, window: Window) -> Pair | None:
    """Image and mask of `window` as a pair of their own; None where the mask does not lie on the image pixel for pixel."""
    if window == pair.image.window:
        return pair
    image, mask = pair.image, pair.mask
    if mask is None or mask.shape != image.shape or pair.shift_px != (0, 0):
        return None
    return replace(pair, image_opener=lambda: cut(image, window), mask_opener=lambda: cut(mask, window))


def encode_mask(pixels: np.ndarray, scheme: ClassScheme, kind: str) -> tuple[np.ndarray, dict[str, int]]:
    """Class ids uint8 (h, w) of mask pixels (h, w, bands), and the pixels of each colour or value that is no class.

    The colours are "#RRGGBB", the values their digits. `kind` is "colour" or "ids".
    """
    if kind == "ids":
        ids, strangers = scheme.encode_values(palettes.as_codes(pixels, kind))
        return ids, {str(value): count for value, count in strangers.items()}
    return scheme.encode(pixels if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2))
