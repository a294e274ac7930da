"""Data sets: images with masks, found in a folder, with the classes that the masks show."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from core.classes import IGNORED_ID, ClassScheme
from core.data import palettes
from core.data.pairing import Matches, match_folder
from core.data.remedies import Remedies, read_remedies
from core.errors import DatasetError, MaskError
from core.scene import Scene, Window, open_scene

CLASS_FILE = "classes.json"
_LAYOUTS = "images/ and masks/ (or img/label, also inside Tile folders), or scenes beside NAME_mask files"


@dataclass(frozen=True)
class Pair:
    """An image and its mask. Files are opened when `image`, `mask` or `labels` is first asked for.

    `group` names the tile or place it belongs to. `shift_px` (rows, columns) and `crop` are remedies: the mask is
    moved, and image and mask of different sizes are cut to the common part.
    """

    name: str
    image_path: Path
    mask_path: Path | None
    group: str
    kind: str = "colour"
    shift_px: tuple[int, int] = (0, 0)
    crop: bool = False
    image_opener: Callable[[], Scene] | None = field(default=None, repr=False, compare=False)
    mask_opener: Callable[[], Scene] | None = field(default=None, repr=False, compare=False)

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


@dataclass(frozen=True)
class Dataset:
    """Pairs of image and mask, and the classes. `scheme_source` says in words where the classes come from."""

    root: Path
    name: str
    pairs: tuple[Pair, ...]
    scheme: ClassScheme
    unpaired: tuple[Path, ...]
    scheme_source: str
    kind: str
    images_alone: tuple[Path, ...] = ()
    remedies: Remedies = field(default_factory=Remedies)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in the order of the pairs."""
        return tuple(dict.fromkeys(pair.group for pair in self.pairs))

    @property
    def class_file(self) -> Path | None:
        """The class file that lies in the data set's folder, whether it was used or not."""
        return _class_file(self.root)

    def pair(self, name: str) -> Pair:
        """The pair of that name. Raises DatasetError when there is none."""
        for pair in self.pairs:
            if pair.name == name:
                return pair
        raise DatasetError(f"no image named {name!r} in {self.name}", expected="a name from its list", do="Choose another")

    def only(self, names: Sequence[str]) -> Dataset:
        """The data set with just these pairs."""
        wanted = set(names)
        return replace(self, pairs=tuple(pair for pair in self.pairs if pair.name in wanted))

    @property
    def digest(self) -> str:
        """A short text that changes when a file, the pairing or the classes change: key for caches."""
        digest = hashlib.sha256(repr((self.scheme, self.remedies)).encode())
        for pair in self.pairs:
            digest.update(f"{pair.name}|{pair.group}".encode())
            for path in (pair.image_path, pair.mask_path):
                if path is not None and path.exists():
                    state = path.stat()
                    digest.update(f"{path}|{state.st_size}|{state.st_mtime_ns}".encode())
        return digest.hexdigest()[:16]


def encode_mask(pixels: np.ndarray, scheme: ClassScheme, kind: str) -> tuple[np.ndarray, dict[str, int]]:
    """Class ids uint8 (h, w) of mask pixels (h, w, bands), and the pixels of each colour or value that is no class.

    The colours are "#RRGGBB", the values their digits. `kind` is "colour" or "ids".
    """
    if kind == "ids":
        ids, strangers = scheme.encode_values(palettes.as_codes(pixels, kind))
        return ids, {str(value): count for value, count in strangers.items()}
    return scheme.encode(pixels if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2))


def open_dataset(path: str | os.PathLike, *, classes: str | os.PathLike | None = None) -> Dataset:
    """Find the pairs of image and mask in a folder, and the classes that the masks show.

    Images are not opened, of the masks only a sample of 24. The classes come from the file `classes`; else from our
    remedy file `groundline.json`; else from `classes.json` when it agrees with the masks; else from the Dubai palette
    when that explains them; else every colour or value is a class. Raises DatasetError when there are no pairs, and
    ClassesError for a class file that cannot be read.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise DatasetError(f"nothing at {root}", expected="a folder with images and masks", do="Check the path")
    if not root.is_dir():
        raise DatasetError(f"{root.name} is a file", expected="a folder with images and masks", do=f"Give the folder: {_LAYOUTS}")
    matches = match_folder(root)
    if not matches.matches:
        raise DatasetError(
            _found(matches, root), expected=f"pairs of image and mask: {_LAYOUTS}", do="Arrange the files so, or choose another folder"
        )
    remedies = read_remedies(root)
    pairs = [Pair(match.name, match.image, match.masks[0], match.group) for match in matches.matches]
    scheme, source, kind = _scheme(root, pairs, remedies, classes)
    pairs = _mended([replace(pair, kind=kind) for pair in pairs], remedies)
    if not pairs:
        raise DatasetError(
            f"every image of {root.name} is left out by {remedies.path}", expected="at least one pair", do="Mend the remedy file"
        )
    return Dataset(
        root=root,
        name=root.resolve().name,
        pairs=tuple(pairs),
        scheme=palettes.with_ignored(scheme, remedies.ignore_colours),
        unpaired=matches.unpaired,
        scheme_source=source,
        kind=kind,
        images_alone=matches.images_alone,
        remedies=remedies,
    )


def _scheme(root: Path, pairs: Sequence[Pair], remedies: Remedies, classes: str | os.PathLike | None) -> tuple[ClassScheme, str, str]:
    sample = palettes.sample_masks([partial(getattr, pair, "mask") for pair in pairs])
    if classes is not None:
        return ClassScheme.load(classes), f"class file {Path(classes).name}, as asked", sample.kind
    if remedies.scheme is not None:
        return remedies.scheme, f"remedy file {remedies.path.name}", sample.kind
    return *palettes.choose_scheme(sample, class_file=_class_file(root)), sample.kind


def _class_file(root: Path) -> Path | None:
    path = root / CLASS_FILE
    return path if path.is_file() else None


def _mended(pairs: Sequence[Pair], remedies: Remedies) -> list[Pair]:
    return [
        replace(
            pair,
            group=remedies.groups.get(pair.name, pair.group),
            shift_px=remedies.shifts_px.get(pair.name, (0, 0)),
            crop=pair.name in remedies.crop,
        )
        for pair in pairs
        if pair.name not in remedies.exclude
    ]


def _found(matches: Matches, root: Path) -> str:
    count = len(matches.unpaired)
    if count == 0:
        return f"no image file in {root.name}"
    return f"{count} image file{'s' if count > 1 else ''} in {root.name}, none of which has a mask"
