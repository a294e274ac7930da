"""Labels that are no mask file: one file for each class, and data sets inside HDF5 files, seen as one-band scenes of ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from core.classes import IGNORED_ID
from core.errors import DatasetError, MaskError
from core.geo import GeoRef
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from core.scenes.sources import HDF5_IMAGE_NAMES, Hdf5Source, file_digest

_MASK_NAMES = ("mask", "masks", "label", "labels", "y", "target", "gt")


@dataclass(frozen=True)
class ClassFilesSource:
    """Ids from one file for each class: a pixel that is not 0 in a file has that file's class.

    Where files contradict each other the first one counts. Where no file speaks the id is `rest` (255, or 0 for the
    background of a single class).
    """

    paths: tuple[Path, ...]
    class_ids: tuple[int, ...]
    rest: int

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Ids uint8 (h, w, 1); see Scene.read."""
        ids = np.full(out_shape or (window.height, window.width), self.rest, np.uint8)
        for path, class_id in reversed(list(zip(self.paths, self.class_ids, strict=True))):
            pixels = open_scene(path, expand_palette=False).read(window, [1], out_shape=out_shape, categorical=True)[..., 0]
            ids[pixels > 0] = class_id
        return np.repeat(ids[..., None], len(bands), axis=2)

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w), all True."""
        return np.ones(out_shape or (window.height, window.width), bool)

    def fingerprint(self) -> str:
        """Digest of all files."""
        return hashlib.sha256("".join(map(file_digest, self.paths)).encode()).hexdigest()[:16]


def open_class_files(paths: tuple[Path, ...], class_ids: tuple[int, ...], rest: int) -> Scene:
    """A one-band scene of ids over one file for each class. Raises MaskError when their sizes differ."""
    scenes = [open_scene(path, expand_palette=False) for path in paths]
    first = scenes[0]
    for scene in scenes:
        if scene.shape != first.shape:
            raise MaskError(
                f"{scene.path.name} has {scene.height} x {scene.width} pixels (height x width)",
                expected=f"the size of {first.path.name}, {first.height} x {first.width}",
                do="Mend the masks of this image",
            )
    return id_scene(paths[0], first.shape, first.geo, ClassFilesSource(paths, class_ids, rest))


def id_scene(path: Path, shape: tuple[int, int], geo: GeoRef, source) -> Scene:
    """A one-band scene of class ids over any source; 255 is not labelled."""
    return Scene(path, path.stem, shape[0], shape[1], 1, "uint8", geo, IGNORED_ID, source)


@dataclass(frozen=True)
class Hdf5Labels:
    """Where images and masks lie in an HDF5 file; `stack` is their number, None when the file holds one image."""

    image: str
    mask: str
    stack: int | None


def find_hdf5_labels(path: Path) -> Hdf5Labels | None:
    """The names of the image and the mask data set of a file that holds both, None when it does not.

    The mask's shape is the image's without the channel axis, or with one channel.
    """
    try:
        with h5py.File(path, "r") as file:
            shapes: dict[str, tuple[int, ...]] = {}
            file.visititems(lambda name, item: shapes.update({name: item.shape}) if isinstance(item, h5py.Dataset) else None)
    except OSError as error:
        raise DatasetError(f"{path.name} is no HDF5 file ({error})", expected="an HDF5 file", do="Check the file") from error
    image, mask = _named(shapes, HDF5_IMAGE_NAMES), _named(shapes, _MASK_NAMES)
    if image is None or mask is None:
        return None
    whole, ids = shapes[image], shapes[mask]
    ids = ids[:-1] if len(ids) > 2 and ids[-1] == 1 else ids
    if len(whole) == 4 and len(ids) == 3 and whole[0] == ids[0]:
        return Hdf5Labels(image, mask, whole[0])
    if len(ids) == 2 and ids in (whole[:2], whole[-2:]):
        return Hdf5Labels(image, mask, None)
    return None


def open_hdf5_mask(path: Path, name: str, index: int | None = None) -> Scene:
    """A one-band scene over a mask data set (h, w) or (images, h, w), with or without a channel axis of 1."""
    with h5py.File(path, "r") as file:
        shape, dtype = file[name].shape, str(file[name].dtype)
    shape = shape if index is None else shape[1:]
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[-1] != 1):
        raise MaskError(f"mask {name} of {path.name} with shape {shape}", expected="(h, w) or (h, w, 1)", do="Check the file")
    return Scene(path, path.stem, shape[0], shape[1], 1, dtype, GeoRef.pixels(), None, Hdf5Source(path, name, index))


def _named(shapes: dict[str, tuple[int, ...]], words: Sequence[str]) -> str | None:
    for word in words:
        for name in shapes:
            if name.split("/")[-1].lower() == word:
                return name
    return None
