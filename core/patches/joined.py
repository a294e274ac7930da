"""Several patch stores as one for a training, such as rescaled scenes beside crops, with proof that no part sees another's ground."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DatasetError, GroundlineError
from core.patches.ground import Ground, shared_pixels
from core.patches.parts import PARTS, TEST, TRAIN, VALIDATION
from core.patches.statistics import BandStatistics
from core.patches.store import PatchStore
from core.scenes.opening import open_scene
from core.scenes.resampling import scaled_length
from core.words import listed

_LEFT_OUT = -1
_LOOK_PX = 24
_ALIKE = 0.8


def open_patches(folder: str | os.PathLike, also: Sequence[str | os.PathLike] = ()) -> Prepared:
    """One prepared folder, or several as one. Raises DatasetError for a folder that is none, and for patches that do not go together."""
    folders = list(dict.fromkeys(Path(one).expanduser().absolute() for one in (folder, *also)))
    stores = [PatchStore.open(one) for one in (folder, *also)]
    return JoinedStore(stores[: len(folders)]) if len(folders) > 1 else stores[0]


class JoinedStore:
    """Patch stores behind each other, seen as one `PatchStore`; folder, scale and pixel size are those of the first.

    Scenes are the same where they are one file, or one scene of one data set, or have one name and look alike, also where one of
    them was resized. What lies on ground that validates or tests in another store is trained on in none: such patches are left out.
    Raises DatasetError for stores that differ in classes, bands, patch size or dtype, and where nothing is left to train on.
    """

    def __init__(self, stores: Sequence[PatchStore]):
        self.stores, first = tuple(stores), stores[0]
        for other in stores[1:]:
            _refuse_unlike(first, other)
        self.folder, self.scheme, self.record = first.folder, first.scheme, first.record
        self.patch_size, self.bands, self.band_names, self.dtype = first.patch_size, first.bands, first.band_names, first.dtype
        self.scale, self.pixel_size_m = first.scale, first.pixel_size_m
        self.images = Rows([store.images for store in stores])
        self.masks = Rows([store.masks for store in stores])
        self._scenes = _by_scene(self.stores)
        self._part, self._left_out = self._proven()
        if not len(self.rows("train")):
            raise DatasetError(
                "every training patch lies on ground that validates or tests in another of the stores",
                expected="patches that agree on what is held back",
                do="Prepare them with the same split and seed, or hold out the same tiles",
            )

    def __len__(self) -> int:
        return len(self._part)

    def rows(self, part: str) -> np.ndarray:
        """Positions of the patches of a part over all stores, int (n,)."""
        return np.flatnonzero(self._part == PARTS.index(part))

    @cached_property
    def counts(self) -> dict[str, np.ndarray]:
        """Pixels of each class in each part, int64 (K,), without the patches that are left out."""
        counts = {part: np.sum([store.counts[part] for store in self.stores], axis=0) for part in PARTS}
        whole = self._as_prepared()
        for row in np.flatnonzero(self._part == _LEFT_OUT):
            own = np.bincount(np.asarray(self.masks[int(row)]).ravel(), minlength=256)[: len(self.scheme)]
            counts[PARTS[whole[row]]] = counts[PARTS[whole[row]]] - own
        return counts

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """ "mean", "std", "min", "max" of each band over the valid pixels of all stores' training patches, and their "pixels"."""
        return BandStatistics.merged([store.statistics for store in self.stores]).summary()

    @cached_property
    def split_info(self) -> dict[str, Any]:
        """How the patches were split, as a store tells it, with the pixels that parts share over all stores."""
        infos = [store.split_info for store in self.stores]
        hows = [info["how"] for info in infos]
        sums = ("dropped", "dropped_unlabelled", "dropped_guard", "dropped_left_over")
        return {
            **infos[0],
            "how": next((how for how in ("random", "block") if how in hows), hows[0]),
            "not_labelled": list(dict.fromkeys(name for store in self.stores for name in store.not_labelled)),
            "counts": None,
            "patches": {part: len(self.rows(part)) for part in PARTS},
            **{name: sum(info.get(name, 0) for info in infos) for name in sums},
            "groups": self._used("groups"),
            "pairs": self._used("pairs"),
            "shared_pixels": self._shared_pixels(),
            "notes": [*self.notes, *dict.fromkeys(note for info in infos for note in info["notes"])],
            "warnings": list(dict.fromkeys(warning for info in infos for warning in info["warnings"])),
            "stores": [str(store.folder) for store in self.stores],
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what joining them changed."""
        notes = [f"Patches of {listed([store.folder.name for store in self.stores])} are trained on together."]
        if any(self._left_out.values()):
            of_parts = [f"{number} {part}" for part, number in self._left_out.items() if number]
            notes.append(
                f"{listed(of_parts)} {'patch' if sum(self._left_out.values()) == 1 else 'patches'} of one store lie on ground that is held "
                "back in another, and were left out."
            )
        scales = sorted({store.scale for store in self.stores})
        if len(scales) > 1:
            notes.append(f"Scales {listed([f'{scale:g}' for scale in scales])} are mixed; scenes are predicted at {self.scale:g}.")
        return tuple(notes)

    def summary(self) -> dict[str, Any]:
        """What `PatchStore.summary` tells, for all stores together."""
        split, names = self.split_info, self.scheme.names
        joined = {part: dict(zip(names, self.counts[part].tolist(), strict=True)) for part in PARTS}
        return {**self.stores[0].summary(), **{key: split[key] for key in _OF_SPLIT}, "split": split["how"], "classes": joined}

    def _shared_pixels(self) -> int:
        """Pixels of the scenes that patches of two or more parts cover, of all stores."""
        total = 0
        for ground, rows in self._scenes:
            used = self._part[rows] != _LEFT_OUT
            total += shared_pixels(ground.only(used), self._part[rows[used]])
        return total

    def _as_prepared(self) -> np.ndarray:
        return np.concatenate([store.part_numbers for store in self.stores])

    def _proven(self) -> tuple[np.ndarray, dict[str, int]]:
        """Part of each patch, int (N,), -1 where it is left out, and how many of each part are."""
        part = self._as_prepared().astype(np.int64)
        before = part.copy()
        store_of = np.repeat(np.arange(len(self.stores)), [len(store) for store in self.stores])
        # Test ground first: a validation patch that is left out holds nothing back.
        for held, others in ((TEST, (TRAIN, VALIDATION)), (VALIDATION, (TRAIN,))):
            for ground, rows in self._scenes:
                for number in np.unique(store_of[rows]):
                    kept_back = ground.only((part[rows] == held) & (store_of[rows] != number))
                    mine = np.isin(part[rows], others) & (store_of[rows] == number)
                    if len(kept_back) and mine.any():
                        part[rows[mine][ground.only(mine).touches(kept_back)]] = _LEFT_OUT
        out = part == _LEFT_OUT
        return part, {name: int(np.count_nonzero(before[out] == k)) for k, name in enumerate(PARTS)}

    def _used(self, what: str) -> dict[str, list[str]]:
        """Names of the groups or pairs that each part has patches of."""
        names = np.concatenate([np.array(store.record[what], object)[store.pair_numbers] for store in self.stores])
        return {part: list(dict.fromkeys(names[self.rows(part)])) for part in PARTS}


Prepared = PatchStore | JoinedStore
"""What a training is given: one prepared folder, or several as one."""

_OF_SPLIT = (
    "patches",
    "dropped",
    "dropped_unlabelled",
    "dropped_guard",
    "dropped_left_over",
    "not_labelled",
    "shared_pixels",
    "groups",
    "notes",
    "warnings",
)


class Rows:
    """Arrays (n, ...) behind each other, read by a position or by positions, never copied whole."""

    def __init__(self, arrays: Sequence[np.ndarray]):
        self._arrays = arrays
        self._starts = np.cumsum([0, *(len(array) for array in arrays)])
        self.shape, self.dtype = (int(self._starts[-1]), *arrays[0].shape[1:]), arrays[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        places = np.arange(len(self))[rows]
        which = np.searchsorted(self._starts, places, side="right") - 1
        if np.ndim(places) == 0:
            return self._arrays[which][places - self._starts[which]]
        found = np.empty((len(places), *self.shape[1:]), self.dtype)
        for k in np.unique(which):
            found[which == k] = self._arrays[k][places[which == k] - self._starts[k]]
        return found


def alike(first: PatchStore, other: PatchStore) -> bool:
    """Whether two stores can be trained on together."""
    return not _differences(first, other)


def _refuse_unlike(first: PatchStore, other: PatchStore) -> None:
    for found, wanted in _differences(first, other)[:1]:
        raise DatasetError(
            f"{other.folder.name} has {found}",
            expected=f"{wanted}, as {first.folder.name} has",
            do="Prepare both alike to train on them together",
        )


def _differences(first: PatchStore, other: PatchStore) -> list[tuple[str, str]]:
    """What keeps two stores apart, in words: what `other` has, and what `first` has."""
    theirs, own = (
        (
            f"classes {listed(store.scheme.names, 8)}",
            f"bands {listed([str(band) for band in store.bands], 16)}",
            f"patches of {store.patch_size} px",
            f"pixels of type {store.dtype}",
        )
        for store in (other, first)
    )
    equal = (first.scheme.names == other.scheme.names, first.bands == other.bands, first.patch_size == other.patch_size)
    return [(a, b) for a, b, same in zip(theirs, own, (*equal, first.dtype == other.dtype), strict=True) if not same]


# ---- which scenes are one ----


def _by_scene(stores: Sequence[PatchStore]) -> list[tuple[Ground, np.ndarray]]:
    """Of each scene the ground of its patches, in pixels of the scene as the first store has it, and their positions over all stores."""
    scenes: list[_Scene] = []
    found: list[list[tuple[Ground, np.ndarray]]] = []
    known: dict[tuple[str, ...], int] = {}
    start = 0
    for store in stores:
        seen = dict(known)  # two scenes of one store are never one
        order = np.argsort(store.pair_numbers, kind="stable")
        ends = np.cumsum(np.bincount(store.pair_numbers, minlength=len(store.record["pairs"])))
        for pair, here in enumerate(np.split(order, ends[:-1])):
            scene = _Scene(store, pair)
            number = next((seen[key] for key in scene.keys if key in seen and scene.is_place_of(scenes[seen[key]], key)), None)
            if number is None:
                number = len(scenes)
                scenes.append(scene)
                found.append([])
            known |= {key: number for key in scene.keys if key not in known}
            found[number].append((scene.ground(here, like=scenes[number]), here + start))
        start += len(store)
    return [(Ground.together([ground for ground, _ in own]), np.concatenate([rows for _, rows in own])) for own in found]


class _Scene:
    """A scene of a store: what it is known by, its size before resizing where that is known, and its patches' ground."""

    def __init__(self, store: PatchStore, pair: int):
        record = store.record
        self.store, self.root, self.name = store, os.path.realpath(record["dataset"]), record["pairs"][pair]
        images, shapes = record.get("images"), record.get("shapes")
        self.file = None if images is None else os.path.realpath(os.path.join(record["dataset"], images[pair]))
        # A file that holds a stack of scenes is not one of them.
        self.stacked = images is not None and images.count(images[pair]) > 1
        self.shape: tuple[int, int] | None = None if shapes is None else tuple(shapes[pair])

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """What a scene of another store may have in common with it, the surest first."""
        of_file = () if self.file is None or self.stacked else (("file", self.file),)
        return ("scene", self.root, self.name), *of_file, ("name", self.name.lower())

    def is_place_of(self, other: _Scene, key: tuple[str, ...]) -> bool:
        """Whether both show the same place, having a key in common; where only the name is and nobody can tell, that counts as a yes."""
        return key[0] != "name" or (self.root != other.root and self._fits(other) and self._looks_like(other))

    def _fits(self, other: _Scene) -> bool:
        """Whether one could be the other one resized: their sides are in one proportion, give or take a pixel."""
        if self.shape is None or other.shape is None:
            return True
        small, large = sorted((self.shape, other.shape))
        return abs(small[1] - large[1] * small[0] / large[0]) <= 1 + small[1] / small[0]

    def _looks_like(self, other: _Scene) -> bool:
        mine, theirs = self._look(), other._look()
        if mine is None or theirs is None or mine.std() == 0 or theirs.std() == 0:
            return True
        return float(np.corrcoef(mine, theirs)[0, 1]) >= _ALIKE

    def _look(self) -> np.ndarray | None:
        """Its first band made tiny, float64 (n,); None where there is none to see, and the name has to do."""
        if self.file is None or self.stacked:
            return None
        try:
            pixels = open_scene(Path(self.file)).read(bands=(1,), out_shape=(_LOOK_PX, _LOOK_PX))
        except (GroundlineError, OSError):
            return None
        return np.nan_to_num(pixels.astype(np.float64).ravel())

    def ground(self, rows: np.ndarray, *, like: _Scene) -> Ground:
        """What patches cover, in pixels of the scene `like` before it was resized, rounded outwards."""
        first, size = self.store.corners(rows), self.store.patch_size
        sides = []
        for axis in (0, 1):
            low, high = first[:, axis].astype(np.float64), first[:, axis].astype(np.float64) + size
            factor, spare = 1 / self.store.scale, 0.0
            if self.shape is not None:
                length = scaled_length(self.shape[axis], self.store.scale)
                high = np.minimum(high, length)
                factor = (like.shape or self.shape)[axis] / length
            elif self.store.scale != 1:  # the size is not known to the pixel
                spare = 0.5 / self.store.scale
            sides.append((np.floor(low * factor - spare + 1e-6).astype(np.int64), np.ceil(high * factor + spare - 1e-6).astype(np.int64)))
        (top, bottom), (left, right) = sides
        return Ground(top, left, bottom, right)
