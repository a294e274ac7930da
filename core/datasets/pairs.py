"""An image and what labels it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from core.classes import IGNORED_ID, ClassScheme
from core.datasets.masks.encodings import COLOURS, Encoding, encode_mask, plain
from core.datasets.masks.placing import PlacedSource, place_mask
from core.datasets.masks.sampling import goes_with, own_encoding
from core.errors import MaskError
from core.scenes.cutting import cut
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from core.words import counted


@dataclass(frozen=True)
class Pair:
    """An image and its mask. Files are opened when `image`, `mask` or `labels` is first asked for.

    `group` names the tile or place it belongs to. `shift_px` (rows, columns) and `crop` are remedies: the mask is moved, and image and
    mask of different sizes are cut to the common part; so is `grid`, which says what to do where mask and image lie on different grids
    ("warp", or "pixels" to take them pixel for pixel). `looks` are (bands, dtype) of the masks that were looked at when the data set was
    opened: one unlike them is looked at before it is believed. `label_files` names the files that the mask is made of where they are
    more than `mask_path`.
    """

    name: str
    image_path: Path
    mask_path: Path | None
    group: str
    encoding: Encoding = COLOURS
    shift_px: tuple[int, int] = (0, 0)
    crop: bool = False
    grid: str = ""
    looks: frozenset[tuple[int, str]] = frozenset()
    label_files: tuple[Path, ...] = ()
    image_opener: Callable[[], Scene] | None = field(default=None, repr=False, compare=False)
    mask_opener: Callable[[], Scene | None] | None = field(default=None, repr=False, compare=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """What the pair is read from, each once."""
        return tuple(path for path in dict.fromkeys((self.image_path, self.mask_path, *self.label_files)) if path is not None)

    @property
    def digest(self) -> str:
        """A short text that changes when a file of the pair does, or how it is read; its name and group do not count."""
        how = replace(self.encoding, snap=False), self.shift_px, self.crop, self.grid
        digest = hashlib.sha256(repr(how).encode())
        for path in self.files:
            if path.exists():
                state = path.stat()
                digest.update(f"{path}|{state.st_size}|{state.st_mtime_ns}".encode())
        return digest.hexdigest()[:16]

    @cached_property
    def image(self) -> Scene:
        """The image. Raises SceneError when it cannot be opened."""
        return self.image_opener() if self.image_opener else open_scene(self.image_path)

    @cached_property
    def mask(self) -> Scene | None:
        """The mask on the image's grid, as plain colours or numbers; None for an image without one.

        Raises SceneError when it cannot be opened, MaskError when it lies elsewhere than the image.
        """
        mask = self.mask_file
        if mask is None:
            return None
        return place_mask(plain(mask, self.reading), self.image, self.grid, heeds_gaps=self.encoding.heeds_gaps)

    @cached_property
    def mask_file(self) -> Scene | None:
        """The mask as it lies on disk. Raises SceneError when it cannot be opened."""
        if self.mask_opener:
            return self.mask_opener()
        if self.mask_path is None:
            return None
        return open_scene(self.mask_path, expand_palette=self.encoding.expands_palettes, alpha=self.encoding.alpha)

    @cached_property
    def reading(self) -> Encoding:
        """How this mask is read: as the data set's others, or by its own form where its file is unlike those that were looked at.

        Raises MaskError when it does not go with the others.
        """
        mask = self.mask_file
        if mask is None or self.mask_path is None or not self.looks or (mask.bands, mask.dtype) in self.looks:
            return self.encoding
        own = own_encoding(open_scene(self.mask_path))
        if not goes_with(own, self.encoding):
            raise MaskError(
                f"{self.mask_path.name} has {counted(mask.bands, 'band')} of {mask.dtype} and is written in another way than the others",
                expected="masks that are all written the same way",
                do="Convert it, or leave the pair out",
            )
        if own is None or own.kind != self.encoding.kind or own.kind == "colour":
            return self.encoding
        return replace(self.encoding, form=own.form, band=own.band)

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
            return self._encoded(mask, wanted, scheme)
        ids = np.full((window.height, window.width), IGNORED_ID, np.uint8)
        if inside.pixels == 0:
            return ids, {}
        part, strangers = self._encoded(mask, inside, scheme)
        row, col = inside.row - wanted.row, inside.col - wanted.col
        ids[row : row + inside.height, col : col + inside.width] = part
        return ids, strangers

    def labels_at(self, scheme: ClassScheme, window: Window, shape: tuple[int, int]) -> np.ndarray:
        """Class ids uint8 `shape` of a window, nearest pixels when that is fewer than the window has."""
        mask = self.mask
        if mask is not None and self.shift_px == (0, 0) and mask.shape == self.image.shape:
            return self._encoded(mask, window, scheme, shape)[0]
        ids = self.labels(scheme, window)
        rows = ((np.arange(shape[0]) + 0.5) * ids.shape[0] / shape[0]).astype(int)
        cols = ((np.arange(shape[1]) + 0.5) * ids.shape[1] / shape[1]).astype(int)
        return ids[np.ix_(rows, cols)]

    def _encoded(self, mask: Scene, window: Window, scheme: ClassScheme, shape: tuple[int, int] | None = None):
        pixels = mask.read(window, out_shape=shape, categorical=True)
        # A mask that was brought to the image's grid is not valid where it does not reach, whatever its own gaps mean.
        has_gaps = self.encoding.heeds_gaps or isinstance(mask.source, PlacedSource)
        valid = mask.valid(window, out_shape=shape) if has_gaps else None
        return encode_mask(pixels, scheme, self.encoding, valid)


def cut_pair(pair: Pair, window: Window) -> Pair | None:
    """Image and mask of `window` as a pair of their own; None where the mask does not lie on the image pixel for pixel."""
    if window == pair.image.window:
        return pair
    image, mask = pair.image, pair.mask
    if mask is None or mask.shape != image.shape or pair.shift_px != (0, 0):
        return None
    return replace(pair, image_opener=lambda: cut(image, window), mask_opener=lambda: cut(mask, window))
