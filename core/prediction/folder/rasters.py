"""A prediction on disk: class probabilities, labels, confidence and margin as cloud-optimized GeoTIFFs on the scene's grid."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import ProjError

from core.classes import IGNORED_ID, ClassScheme
from core.confusion import counts_of_pairs
from core.errors import ClassesError, InputError, SettingsError
from core.files import MEASURED_FILE, PREDICTION_FILE, unfinished_place
from core.geo import GeoRef
from core.reading.readable import Unreadable, read_record, reason, sorted_out
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window, windows_of
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.model_store.cards import ModelCard

PROBABILITIES, LABELS, CONFIDENCE, MARGIN = "probabilities.tif", "labels.tif", "confidence.tif", "margin.tif"
NEIGHBOUR_PX = 32
"""How far an unsure pixel may take the class of a sure neighbour."""
_STEP_PX = 1024


class _Grid(TypedDict):
    """Where every prediction lies."""

    transform: list[float]
    crs: str | None


class _Geo(_Grid, total=False):
    """What is told of its pixels besides."""

    pixel_size_m: float | None


class _Needed(TypedDict):
    """What every `prediction.json` holds, as far as it is read."""

    model: str
    scheme: dict[str, Any]
    height: int
    width: int
    geo: _Geo


class _Settings(TypedDict, total=False):
    """How it was predicted, as far as it is shown."""

    patch_size: int | list[int]
    overlap: float
    symmetries: int


class _Place(TypedDict):
    """A window of a scene."""

    row: int
    col: int
    height: int
    width: int


class _Concern(TypedDict):
    """What was doubtful about a scene."""

    sentence: str


class _Made(_Needed, total=False):
    """What a `prediction.json` may hold besides."""

    scene: str
    scene_digest: str
    window: _Place
    settings: _Settings
    engine: str
    windows: int
    seconds: float
    model_seconds: float
    seam_score: float | None
    warnings: list[_Concern]
    workers: int


def preview_file(folder: str | os.PathLike) -> Path:
    """A picture (PNG, RGBA) of what is predicted so far, renewed every few seconds while `folder` is being made."""
    return unfinished_place(folder) / "preview.png"


@dataclass(frozen=True)
class Prediction:
    """A folder with the four rasters of one predicted scene and `prediction.json`, how they were made.

    All rasters are uint8. Probabilities and confidence (the largest probability) run from 0 to 255 = 1.0, margin is the
    confidence minus the second probability. Where the scene holds nothing, labels are 255 and the others 0.
    """

    folder: Path
    scheme: ClassScheme
    geo: GeoRef
    height: int
    width: int
    card_name: str
    made: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> Prediction:
        """Open a prediction folder. Raises InputError when it is none."""
        folder = Path(folder)
        refuse_measured(folder)
        try:
            made = read_made(folder)
            scheme, geo = ClassScheme.from_dict(made["scheme"]), geo_from_dict(made["geo"])
            return cls(folder, scheme, geo, made["height"], made["width"], made["model"], made)
        except (OSError, ValueError, KeyError, TypeError, ClassesError, ProjError) as error:
            raise InputError(
                f"no prediction in {folder} ({reason(error)})",
                expected=f"a folder with {PREDICTION_FILE} and {LABELS}",
                do="Predict the scene again, or name another folder",
            ) from error

    @property
    def window(self) -> Window:
        """The whole prediction as a window."""
        return Window(0, 0, self.height, self.width)

    def scene(self, file: str = LABELS) -> Scene:
        """One of the four rasters as a scene; labels as class ids. Raises SceneError when the file is missing."""
        return self._scenes[file] if file in self._scenes else open_scene(self.folder / file, expand_palette=False)

    @cached_property
    def _scenes(self) -> dict[str, Scene]:
        names = (PROBABILITIES, LABELS, CONFIDENCE, MARGIN)
        return {name: open_scene(self.folder / name, expand_palette=False) for name in names if (self.folder / name).exists()}

    def probabilities(self, window: Window | None = None, *, out_shape: tuple[int, int] | None = None) -> np.ndarray:
        """uint8 (h, w, K), 255 = 1.0; all 0 where the scene holds nothing."""
        return self.scene(PROBABILITIES).read(window, out_shape=out_shape)

    def confidence(self, window: Window | None = None, *, out_shape: tuple[int, int] | None = None) -> np.ndarray:
        """uint8 (h, w): the largest probability, 255 = 1.0; 0 where the scene holds nothing."""
        return self.scene(CONFIDENCE).read(window, out_shape=out_shape)[..., 0]

    def margin(self, window: Window | None = None, *, out_shape: tuple[int, int] | None = None) -> np.ndarray:
        """uint8 (h, w): the largest probability minus the second, 255 = 1.0."""
        return self.scene(MARGIN).read(window, out_shape=out_shape)[..., 0]

    def labels(self, window: Window | None = None, threshold: float = 0.0, *, unsure: str = "hide") -> np.ndarray:
        """Class ids uint8 (h, w); 255 where the scene holds nothing.

        Pixels whose confidence is below `threshold` (0 to 1) become 255 too, or with `unsure="neighbour"` take the class
        of the nearest sure pixel that is at most 32 px away. A window gets the same labels as the whole.
        """
        if not 0 <= threshold <= 1 or unsure not in ("hide", "neighbour"):
            raise SettingsError(
                f"a threshold of {threshold:g} with unsure={unsure!r}",
                expected="a confidence from 0 to 1, and hide or neighbour",
                do="Choose 0 to keep every pixel",
            )
        window = window or self.window
        if threshold == 0:
            return self.scene(LABELS).read(window, categorical=True)[..., 0]
        reach = NEIGHBOUR_PX if unsure == "neighbour" else 0
        wide = Window(window.row - reach, window.col - reach, window.height + 2 * reach, window.width + 2 * reach).intersect(self.window)
        ids = self.scene(LABELS).read(wide, categorical=True)[..., 0]
        doubtful = (self.confidence(wide) < threshold * 255 - 1e-9) & (ids != IGNORED_ID)
        ids = _from_neighbours(ids, doubtful) if reach else np.where(doubtful, np.uint8(IGNORED_ID), ids)
        row, col = window.row - wide.row, window.col - wide.col
        return ids[row : row + window.height, col : col + window.width]

    def confidence_counts(self) -> np.ndarray:
        """Pixels int64 (K, 256) by class and confidence level; any threshold is then a sum. Read in squares, never as a whole."""
        counts = np.zeros((256, 256), np.int64)
        for window in windows_of(self.height, self.width, _STEP_PX):
            counts += counts_of_pairs(self.labels(window), self.confidence(window))
        return counts[: len(self.scheme)]


def record_of(card: ModelCard) -> str:
    """The file that says how what a model predicted was made: a prediction of classes, or a map of measured values."""
    return PREDICTION_FILE if card.measured is None else MEASURED_FILE


def is_prediction(folder: str | os.PathLike) -> bool:
    """Whether a folder is a prediction of classes. Raises InputError for a map of measured values, which has none."""
    refuse_measured(folder)
    return (Path(folder) / PREDICTION_FILE).is_file()


def is_measured(folder: str | os.PathLike) -> bool:
    """Whether a folder is a map of measured values, as a network without classes gives it."""
    return (Path(folder) / MEASURED_FILE).is_file()


def refuse_measured(folder: str | os.PathLike) -> None:
    """Called where classes are needed. Raises InputError for a map of measured values."""
    if is_measured(folder):
        raise InputError(
            f"{Path(folder).name} holds measured values, and no classes",
            expected="a prediction of a model that gives classes",
            do="Open its values.tif in a GIS, or predict with another model",
        )


def prediction_folders(workspace: Workspace) -> list[Path]:
    """Folders of finished predictions in a workspace, newest first: single ones, those of a batch, and those of a sample's run."""
    places = (workspace.predictions, "*"), (workspace.predictions, "*/*"), (workspace.layers, "*/prediction")
    written = [path for place, pattern in places for path in place.glob(f"{pattern}/{PREDICTION_FILE}")]
    written = [path for path in written if not path.parent.name.startswith(".")]  # one with a dot is being written
    return [path.parent for path in sorted(written, key=lambda path: path.stat().st_mtime_ns, reverse=True)]


def read_made(folder: str | os.PathLike, record: str = PREDICTION_FILE) -> dict[str, Any]:
    """How a prediction was made, as its folder tells. Raises OSError and ValueError."""
    return read_record(Path(folder) / record, _Made if record == PREDICTION_FILE else dict[str, Any])


def sort_predictions(folders: Iterable[Path]) -> tuple[list[Path], list[Unreadable]]:
    """Those of some prediction folders that can be opened, in their order, and the others with their reasons."""
    found, bad = sorted_out(folders, Prediction.open)
    return [one.folder for one in found], bad


def _from_neighbours(ids: np.ndarray, doubtful: np.ndarray) -> np.ndarray:
    """`ids` with each doubtful pixel replaced by the nearest labelled one that is sure, or 255 where that is too far."""
    from scipy.ndimage import distance_transform_edt

    unknown = doubtful | (ids == IGNORED_ID)
    if unknown.all():
        return np.full_like(ids, IGNORED_ID)
    distance, (rows, cols) = distance_transform_edt(unknown, return_indices=True)
    near = ids[rows, cols]
    return np.where(doubtful, np.where(distance <= NEIGHBOUR_PX, near, np.uint8(IGNORED_ID)), ids)


def geo_to_dict(geo: GeoRef) -> dict[str, Any]:
    """A georeference as plain values, for JSON."""
    return {
        "transform": list(geo.transform)[:6],
        "crs": None if geo.crs is None else geo.crs.to_wkt(),
        "pixel_size_m": geo.pixel_size_m,
    }


def geo_from_dict(value: Mapping[str, Any]) -> GeoRef:
    """Read what `geo_to_dict` wrote."""
    crs = None if value["crs"] is None else CRS.from_user_input(value["crs"])
    transform = Affine(*value["transform"])
    if not 0 < abs(transform.determinant) < float("inf"):
        raise ValueError("its pixels have no size")
    return GeoRef(transform, crs, value.get("pixel_size_m"))
