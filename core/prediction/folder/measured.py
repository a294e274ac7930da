"""A map of measured values on disk: one number for each pixel as a cloud-optimized GeoTIFF, and how it was made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from pyproj.exceptions import ProjError

from core.errors import InputError
from core.files import MEASURED_FILE
from core.geo import GeoRef
from core.prediction.folder.rasters import geo_from_dict
from core.reading.readable import read_record, reason
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from core.workspace import Workspace

VALUES = "values.tif"
SHOWN_PERCENT = (2, 98)
"""Percentiles of the values that the colours run between, so that a few far out leave the others their colours."""
# Dark blue over green to yellow, in even steps for the eye (viridis, of matplotlib).
_RAMP = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], float)


class _Geo(TypedDict):
    """Where the map lies."""

    transform: list[float]
    crs: str | None


class _Record(TypedDict):
    """What every record of a measured map holds, as far as it is read."""

    model: str
    measured: str
    height: int
    width: int
    geo: _Geo
    statistics: dict[str, float | int | None]


@dataclass(frozen=True)
class Statistics:
    """Least, mean and largest value, those that the colours run between, and how many pixels have one; None where none has."""

    pixels: int
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    shown_low: float | None = None
    shown_high: float | None = None


@dataclass(frozen=True)
class MeasuredMap:
    """A folder with `values.tif` (float32, NaN where the scene holds nothing) and a record of how it was made."""

    folder: Path
    name: str
    geo: GeoRef
    height: int
    width: int
    card_name: str
    statistics: Statistics
    made: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> MeasuredMap:
        """Open a folder. Raises InputError when it is none."""
        folder = Path(folder)
        try:
            made: dict[str, Any] = dict(read_record(folder / MEASURED_FILE, _Record))
            told = {key: value for key, value in made["statistics"].items() if key in Statistics.__dataclass_fields__}
            geo, statistics = geo_from_dict(made["geo"]), Statistics(**told)
        except (OSError, ValueError, KeyError, TypeError, ProjError) as error:
            raise InputError(
                f"no map of measured values in {folder} ({reason(error)})",
                expected=f"a folder with {MEASURED_FILE} and {VALUES}",
                do="Predict the scene again, or name another folder",
            ) from error
        return cls(folder, made["measured"], geo, made["height"], made["width"], made["model"], statistics, made)

    @property
    def window(self) -> Window:
        """The whole map as a window."""
        return Window(0, 0, self.height, self.width)

    @property
    def scene(self) -> Scene:
        """The values as a scene of one band. Raises SceneError when the file is missing."""
        return open_scene(self.folder / VALUES)

    def values(self, window: Window | None = None, *, out_shape: tuple[int, int] | None = None) -> np.ndarray:
        """float32 (h, w), NaN where the scene holds nothing."""
        return self.scene.read(window, [1], out_shape=out_shape)[..., 0]

    def picture(self, window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Colours uint8 (h, w, 3) of a window, and where there is a value, bool (h, w)."""
        values = self.values(window, out_shape=shape)
        known = np.isfinite(values)
        low, high = self.statistics.shown_low or 0.0, self.statistics.shown_high or 0.0
        return ramp((np.where(known, values, low) - low) / max(high - low, 1e-12)), known


def ramp(shares: np.ndarray) -> np.ndarray:
    """Colours uint8 (..., 3) of shares from 0 to 1, what lies beyond as the nearer end: dark blue, green, yellow."""
    at = np.clip(shares, 0, 1) * (len(_RAMP) - 1)
    return np.stack([np.interp(at, np.arange(len(_RAMP)), _RAMP[:, band]) for band in range(3)], axis=-1).round().astype(np.uint8)


def measured_folders(workspace: Workspace) -> list[Path]:
    """Folders of finished maps of measured values in a workspace, newest first: single ones and those of a batch."""
    found = [path for pattern in ("*", "*/*") for path in workspace.predictions.glob(f"{pattern}/{MEASURED_FILE}")]
    whole = [path for path in found if not path.parent.name.startswith(".")]  # one with a dot is being written
    return [path.parent for path in sorted(whole, key=lambda path: path.stat().st_mtime_ns, reverse=True)]


def openable(folders: Iterable[Path]) -> list[MeasuredMap]:
    """Those of some folders that can be opened, in their order."""
    found = []
    for folder in folders:
        try:
            found.append(MeasuredMap.open(folder))
        except InputError:  # damaged, or being deleted
            continue
    return found
