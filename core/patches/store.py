"""Patches on disk: images and masks as memory maps, opened and never loaded whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from core.classes import ClassScheme
from core.errors import DatasetError
from core.files import STORE_FILE
from core.patches.parts import PARTS
from core.reading.readable import read_record, reason, refusing

_IMAGES, _MASKS, _INDEX = "images.npy", "masks.npy", "index.npz"


class _Split(TypedDict):
    """What every record tells of its split, as far as it is read."""

    how: str
    patches: dict[str, int]
    dropped: int
    dropped_unlabelled: int
    dropped_guard: int
    shared_pixels: int
    groups: dict[str, list[str]]
    notes: list[str]
    warnings: list[str]


class _Record(TypedDict):
    """What every record of patches holds, as far as it is read."""

    dataset: str
    scheme: dict[str, Any]
    patch_size: int
    bands: list[int]
    band_names: list[str] | None
    dtype: str
    scale: float
    pixel_size_m: float | None
    pairs: list[str]
    groups: list[str]
    counts: dict[str, list[int]]
    statistics: dict[str, Any]
    split: _Split


@dataclass(frozen=True, eq=False)
class PatchStore:
    """A folder of prepared patches. Arrays are memory maps, opened when first asked for, and read-only."""

    folder: Path
    record: dict[str, Any]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> PatchStore:
        """Open a prepared folder. Raises DatasetError when it is none."""
        folder = Path(folder)
        try:
            record = read_record(folder / STORE_FILE, _Record)
            missing = next((name for name in (_IMAGES, _MASKS, _INDEX) if not (folder / name).is_file()), None)
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{folder} holds no prepared patches ({reason(error)})",
                expected="a folder that prepare wrote",
                do="Prepare the data set first",
            ) from error
        if missing:
            raise DatasetError(f"no {missing} in {folder}", expected="a folder that prepare wrote", do="Prepare the data set again")
        store = cls(folder, record)
        with refusing(
            str(folder), DatasetError, "the files that prepare wrote", found="damaged patches in {}", do="Prepare the data set again"
        ):
            store._check()
        return store

    def _check(self) -> None:
        """Whether arrays, index and record tell of the same patches. Raises DatasetError, and what NumPy raises."""
        count, size = len(self), self.patch_size
        shapes = {_IMAGES: (count, size, size, len(self.bands)), _MASKS: (count, size, size)}
        wrong = next((name for name, found in ((_IMAGES, self.images), (_MASKS, self.masks)) if found.shape != shapes[name]), None)
        lengths = {len(self._columns[name]) for name in ("pair", "row", "col", "labelled", "part")}
        numbers = {"part": len(PARTS), "pair": min(len(self.record["pairs"]), len(self.record["groups"]))}
        outside = any(count and not 0 <= self._columns[name].min() <= self._columns[name].max() < most for name, most in numbers.items())
        if wrong or lengths != {count} or outside or any(len(found) != len(self.scheme) for found in self.counts.values()):
            raise DatasetError(
                f"{wrong or _INDEX} in {self.folder} tells of other patches than {STORE_FILE}",
                expected="the files that prepare wrote",
                do="Prepare the data set again",
            )

    @cached_property
    def images(self) -> np.ndarray:
        """Patches (N, h, w, bands) of the scenes' dtype."""
        return np.lib.format.open_memmap(self.folder / _IMAGES, mode="r")

    @cached_property
    def masks(self) -> np.ndarray:
        """Class ids uint8 (N, h, w); 255 is not labelled."""
        return np.lib.format.open_memmap(self.folder / _MASKS, mode="r")

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / _INDEX) as file:
            return {name: file[name] for name in file.files}

    @cached_property
    def parts(self) -> np.ndarray:
        """Part of each patch: array of "train", "validation" and "test", (N,)."""
        return np.array(PARTS)[self._columns["part"]]

    @cached_property
    def index(self) -> list[dict[str, Any]]:
        """Where each patch comes from: pair, group, row and col (in the resized scene), labelled share, part."""
        columns = self._columns
        names, groups = self.record["pairs"], self.record["groups"]
        return [
            {
                "pair": names[columns["pair"][i]],
                "group": groups[columns["pair"][i]],
                "row": int(columns["row"][i]),
                "col": int(columns["col"][i]),
                "labelled": float(columns["labelled"][i]),
                "part": PARTS[columns["part"][i]],
            }
            for i in range(len(self))
        ]

    @property
    def part_numbers(self) -> np.ndarray:
        """Position in PARTS of each patch's part, int8 (N,)."""
        return self._columns["part"]

    @property
    def pair_numbers(self) -> np.ndarray:
        """Position of each patch's scene among those of the record, int32 (N,)."""
        return self._columns["pair"]

    def corners(self, rows: np.ndarray) -> np.ndarray:
        """First row and column of patches in their resized scenes, int (n, 2)."""
        return np.stack([self._columns["row"][rows], self._columns["col"][rows]], axis=1)

    def __len__(self) -> int:
        return len(self._columns["part"])

    def rows(self, part: str) -> np.ndarray:
        """Positions of the patches of a part, int (n,)."""
        return np.flatnonzero(self._columns["part"] == PARTS.index(part))

    @cached_property
    def scheme(self) -> ClassScheme:
        """The classes of the masks."""
        return ClassScheme.from_dict(self.record["scheme"])

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels."""
        return self.record["patch_size"]

    @property
    def bands(self) -> tuple[int, ...]:
        """Numbers (from 1) of the scene's bands that the patches hold, in their order."""
        return tuple(self.record["bands"])

    @property
    def band_names(self) -> tuple[str, ...] | None:
        """Names of those bands, where the scenes name them."""
        names = self.record["band_names"]
        return None if names is None else tuple(names)

    @property
    def dtype(self) -> str:
        """NumPy name of the images' dtype."""
        return self.record["dtype"]

    @property
    def scale(self) -> float:
        """Factor that the scenes were resized by."""
        return self.record["scale"]

    @property
    def pixel_size_m(self) -> float | None:
        """Median side of a scene's pixel in metres before resizing, None where it is not known."""
        return self.record["pixel_size_m"]

    @property
    def counts(self) -> dict[str, np.ndarray]:
        """Pixels of each class in each part, int64 (K,)."""
        return {part: np.array(self.record["counts"][part], np.int64) for part in PARTS}

    @property
    def statistics(self) -> dict[str, Any]:
        """ "mean", "std", "min", "max" of each band over the valid pixels of the training patches, and their "pixels"."""
        return self.record["statistics"]

    @property
    def not_labelled(self) -> tuple[str, ...]:
        """Names of classes that did not count as labelled when the patches were chosen; none in patches of earlier versions."""
        return tuple(self.split_info.get("not_labelled", ()))

    @property
    def split_info(self) -> dict[str, Any]:
        """How the patches were split, and which groups and pairs are in which part."""
        return self.record["split"]

    def summary(self) -> dict[str, Any]:
        """The result of preparing, in plain values: patches by part, dropped, shared_pixels and what explains them."""
        split = self.split_info
        names = self.scheme.names
        return {
            "folder": str(self.folder),
            "patches": split["patches"],
            "dropped": split["dropped"],
            "dropped_unlabelled": split["dropped_unlabelled"],
            "dropped_guard": split["dropped_guard"],
            "dropped_left_over": split.get("dropped_left_over", 0),
            "not_labelled": list(self.not_labelled),
            "shared_pixels": split["shared_pixels"],
            "split": split["how"],
            "groups": split["groups"],
            "notes": split["notes"],
            "warnings": split["warnings"],
            "patch_size": self.patch_size,
            "bands": list(self.bands),
            "dtype": self.dtype,
            "scale": self.scale,
            "rim": self.record.get("rim", "fill"),
            "classes": {part: dict(zip(names, self.record["counts"][part], strict=True)) for part in PARTS},
        }
