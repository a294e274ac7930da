"""Labels that are no mask file: one file for each class, and data sets inside HDF5 files, seen as one-band scenes of ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from core.classes import IGNORED_ID
from core.datasets.masks.encodings import as_codes
from core.datasets.masks.outlines import count_codes, soft_rims
from core.datasets.masks.sampling import sampled_shape
from core.digests import file_digest
from core.errors import DatasetError, MaskError
from core.geo import GeoRef
from core.hdf5 import open_hdf5_file
from core.scenes.hdf5_files import HDF5_IMAGE_NAMES, Hdf5Source
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window

_NEARLY_ALL = 0.8
_MASK_NAMES = ("mask", "masks", "label", "labels", "y", "target", "gt")


@dataclass(frozen=True)
class ClassFilesSource:
    """Ids from one file for each class: a pixel that is more than half of the file's largest value, in any band, has that file's class.

    `levels` are those halves. Pixels without data or transparent are in no class. Where files contradict each other the first one
    counts. Where no file speaks the id is `rest` (255, or 0 for the background of a single class).
    """

    paths: tuple[Path, ...]
    class_ids: tuple[int, ...]
    rest: int
    levels: tuple[float, ...]

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Ids uint8 (h, w, 1); see Scene.read."""
        ids = np.full(out_shape or (window.height, window.width), self.rest, np.uint8)
        for path, class_id, level in reversed(list(zip(self.paths, self.class_ids, self.levels, strict=True))):
            scene = open_scene(path, expand_palette=False)
            pixels = scene.read(window, out_shape=out_shape, categorical=True)
            ids[(pixels > level).any(axis=2) & scene.valid(window, out_shape=out_shape)] = class_id
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
    levels = tuple(float(np.nan_to_num(_sampled(scene)).max(initial=0)) / 2 for scene in scenes)
    return id_scene(paths[0], first.shape, first.geo, ClassFilesSource(paths, class_ids, rest, levels))


def holds_one_value(path: Path) -> bool:
    """Whether a file holds nothing but 0 and one other value or colour, soft rims around it apart. Raises SceneError."""
    scene = open_scene(path, expand_palette=False)
    pixels = _sampled(scene)
    codes = as_codes(pixels, "ids" if pixels.shape[2] < 3 else "colour")
    counts = count_codes(codes)
    counts.pop(0, None)
    rims = soft_rims([codes], "ids" if pixels.shape[2] < 3 else "colour", count_codes(codes))
    kept = [count for code, count in counts.items() if code not in rims]
    blurred = path.suffix.lower() in (".jpg", ".jpeg", ".webp")
    return len(kept) <= 1 or (blurred and max(kept) >= _NEARLY_ALL * sum(kept))


def _sampled(scene: Scene) -> np.ndarray:
    """Pixels of a file (h, w, bands), 0 where it has no data: all of them, or the nearest ones where it is large."""
    shape = sampled_shape(scene.shape)
    pixels = scene.read(out_shape=shape, categorical=True)
    return np.where(scene.valid(out_shape=shape)[..., None], pixels, 0)


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
        with open_hdf5_file(path, DatasetError) as file:
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
    with open_hdf5_file(path, DatasetError) as file:
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
