"""One scene: predicted as a user would, then measured in bands of rows.

The probabilities go to a file of bytes first, because boundaries, patches and objects need more of the scene than the
strip that is just predicted. Memory is that of a band, 256 rows by default; disk K + 1 bytes a pixel while it runs.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from core.classes import IGNORED_ID, ClassScheme
from core.confusion import Confusion
from core.evaluation.boundary import boundary_counts
from core.evaluation.regions import PolygonMatcher
from core.evaluation.result import PatchResult, SceneResult
from core.evaluation.scenes import OUTSIDE_ID, SceneTruth
from core.evaluation.thresholds import probability_histogram
from core.files import take_room
from core.model_store.cards import ModelCard
from core.prediction.blend.kernels import rank
from core.prediction.engines.engine import Engine
from core.prediction.folder.writing import RawWriter, placement
from core.prediction.passes import run_passes
from core.prediction.running import BlendLayout, plan_within
from core.progress import OnProgress, ShouldStop, check
from core.scenes.scene import Scene, Window

MAP_BANDS = ("prediction", "truth", "confidence", "label_probability")
_LOSS = -np.log(np.maximum(np.arange(256), 0.5) / 255)


@dataclass(eq=False)
class Totals:
    """What is summed over all scenes: histograms, patches, and a sample of probabilities float32 with their labels."""

    histogram: np.ndarray
    confidences: np.ndarray
    patches: list[PatchResult] = field(default_factory=list)
    sample: list[np.ndarray] = field(default_factory=list)
    sample_truth: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def empty(cls, classes: int) -> Totals:
        """Nothing yet."""
        return cls(np.zeros((classes, 2, 256), np.int64), np.zeros((2, 256), np.int64))

    def add(self, other: Totals) -> None:
        """Take in what was counted elsewhere."""
        self.histogram += other.histogram
        self.confidences += other.confidences
        for name in ("patches", "sample", "sample_truth"):
            getattr(self, name).extend(getattr(other, name))


@dataclass(frozen=True)
class Measures:
    """How a scene is measured: side of a patch (about), width of the strip along outlines, and distance of the sparse grid, in pixels.

    `polygons` names the classes whose objects are matched, `sample_fraction` the share of pixels kept for calibration.
    """

    patch_px: int
    boundary_px: int
    grid_px: int
    polygons: tuple[str, ...] = ()
    sample_fraction: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Predicting:
    """How a scene is predicted: what `run_passes` needs besides the scene."""

    card: ModelCard
    engine: Engine
    layouts: tuple[BlendLayout, ...]
    memory: int


def measure_scene(
    truth: SceneTruth,
    prediction: Predicting,
    measures: Measures,
    totals: Totals,
    work: Path,
    *,
    number: int,
    map_file: Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> SceneResult:
    """Predict one scene and count it; `totals` grows, `work` takes temporary files, `map_file` the four-band GeoTIFF.

    `number` is the scene's place in the evaluation, by which the sample of its pixels is drawn.
    """
    with tempfile.TemporaryDirectory(dir=work) as folder:
        predicted = _predict(truth, prediction, measures, totals, number, Path(folder), on_progress, should_stop)
        with _MapFile(map_file, truth.pair.image, truth.pair.shape) as file:
            return _Counter(truth, prediction.card.scheme, measures, totals).count(predicted, file, should_stop)


@dataclass(frozen=True)
class _Predicted:
    """A predicted scene on disk: bytes (h, K, w) and truth (h, w). Files are open only while they are read or written:
    pages that stay mapped count as memory."""

    probabilities: Path
    truth: Path
    shape: tuple[int, int, int]

    def map_truth(self, mode: str) -> np.ndarray:
        """The truth, uint8 (h, w), to be let go at once."""
        return np.memmap(self.truth, np.uint8, mode, shape=(self.shape[0], self.shape[2]))

    def rows(self, top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (rows, K, w) and truth (rows, w) of some rows, in memory."""
        _, classes, width = self.shape
        row = classes * width
        block = np.fromfile(self.probabilities, np.uint8, (bottom - top) * row, offset=top * row)
        return block.reshape(-1, classes, width), np.array(self.map_truth("r")[top:bottom])


def _predict(truth, prediction, measures, totals, number, folder, on_progress, should_stop) -> _Predicted:
    """Blend the scene into files. Some probabilities are kept as they were."""
    height, width = truth.pair.shape
    image, classes = truth.pair.image, prediction.engine.classes
    window = Window(0, 0, height, width)
    raw = RawWriter(folder, height, width, classes)
    predicted = _Predicted(raw.path, folder / "truth.raw", (height, classes, width))
    predicted.map_truth("w+")
    take_room(predicted.truth)
    rng = np.random.default_rng([measures.seed, number])
    kept, kept_truth = [], []

    def write(part: Window, probabilities: np.ndarray) -> None:
        labels = truth.read(part)
        predicted.map_truth("r+")[part.slices] = labels
        raw.write(part, probabilities, image.valid(part))
        chosen = rng.integers(0, part.pixels, rng.binomial(part.pixels, measures.sample_fraction))
        chosen = chosen[labels.ravel()[chosen] < OUTSIDE_ID]
        kept.append(probabilities.reshape(-1, classes)[chosen])
        kept_truth.append(labels.ravel()[chosen])

    card, engine = prediction.card, prediction.engine
    plans = [plan_within(card, image, window, engine, layout, memory=prediction.memory)[0] for layout in prediction.layouts]
    run_passes(plans, card, image, window, engine, write, folder, on_progress=on_progress, should_stop=should_stop)
    raw.close()
    totals.sample.append(np.concatenate(kept))
    totals.sample_truth.append(np.concatenate(kept_truth))
    return predicted


class _Counter:
    """Goes through a predicted scene in bands of one patch's height."""

    def __init__(self, truth: SceneTruth, scheme: ClassScheme, measures: Measures, totals: Totals):
        self.truth, self.scheme, self.measures, self.totals = truth, scheme, measures, totals
        size = len(scheme)
        self.confusion = Confusion.empty(size)
        self.unlabelled, self.mapped = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self.boundary, self.sample = np.zeros((size, 2), np.int64), np.zeros((size, size), np.int64)
        self.matchers = {name: PolygonMatcher() for name in measures.polygons}

    def count(self, predicted: _Predicted, file: _MapFile, should_stop: ShouldStop | None) -> SceneResult:
        """Count all rows and give the scene's result."""
        height, _, width = predicted.shape
        halo = self.measures.boundary_px
        for row, stop in pairwise(patch_edges(height, self.measures.patch_px)):
            check(should_stop)
            top, bottom = max(0, row - halo), min(height, stop + halo)
            self._band(*predicted.rows(top, bottom), slice(row - top, stop - top), row, file)
        pair = self.truth.pair
        return SceneResult(
            name=pair.name,
            group=pair.group,
            height=height,
            width=width,
            confusion=self.confusion,
            unlabelled=self.unlabelled,
            boundary=self.boundary,
            sample=self.sample,
            mapped=self.mapped,
            pixel_area_m2=pair.image.geo.mean_pixel_area_m2(height, width),
            polygons={name: matcher.score() for name, matcher in self.matchers.items()},
            map=file.name,
        )

    def _band(self, probabilities: np.ndarray, truth: np.ndarray, rows: slice, row: int, file: _MapFile) -> None:
        shape, size = truth.shape, len(self.scheme)
        labels, confidence, unused, also_unused = (np.empty(shape, np.uint8) for _ in range(4))
        rank(probabilities, labels, confidence, unused, also_unused)
        outside = truth == OUTSIDE_ID
        truth[outside], labels[outside] = IGNORED_ID, IGNORED_ID
        self.boundary += boundary_counts(truth, labels, classes=size, distance_px=self.measures.boundary_px, rows=rows)

        probabilities, truth, labels, confidence, inside = (values[rows] for values in (probabilities, truth, labels, confidence, ~outside))
        known = (truth != IGNORED_ID) & (labels != IGNORED_ID)
        own = np.take_along_axis(probabilities, np.where(known, truth, 0)[:, None, :], axis=1)[:, 0]
        self.unlabelled += np.bincount(labels[(truth == IGNORED_ID) & (labels != IGNORED_ID)], minlength=size)[:size]
        self.mapped += np.bincount(labels[labels != IGNORED_ID], minlength=size)[:size]
        self._patches(truth, labels, own, inside, row)
        right = (labels == truth)[known].astype(np.int64)
        self.totals.histogram += probability_histogram(probabilities.transpose(1, 0, 2)[:, known], truth[known])
        self.totals.confidences += np.bincount(confidence[known] + 256 * right, minlength=512).reshape(2, 256)
        step = self.measures.grid_px
        sparse = np.ix_(
            np.arange((step // 2 - row) % step, truth.shape[0], step), np.arange(min(step // 2, truth.shape[1] - 1), truth.shape[1], step)
        )
        self.sample += Confusion.empty(size).add(truth[sparse], labels[sparse]).counts
        for name, matcher in self.matchers.items():
            number = self.scheme.names.index(name)
            matcher.add(known & (truth == number), known & (labels == number))
        file.write(row, labels, truth, confidence, np.where(known, own, 0).astype(np.uint8))

    def _patches(self, truth: np.ndarray, labels: np.ndarray, own: np.ndarray, inside: np.ndarray, row: int) -> None:
        """Count the band patch by patch, and remember each that holds labelled pixels."""
        for col, right in pairwise(patch_edges(truth.shape[1], self.measures.patch_px)):
            cols = slice(col, right)
            here = inside[:, cols]
            one = Confusion.empty(len(self.scheme)).add(truth[:, cols][here], labels[:, cols][here])
            self.confusion = self.confusion + one
            if one.pixels:
                known = (truth[:, cols] != IGNORED_ID) & (labels[:, cols] != IGNORED_ID)
                self.totals.patches.append(
                    PatchResult(
                        scene=self.truth.pair.name,
                        row=row,
                        col=col,
                        height=here.shape[0],
                        width=here.shape[1],
                        pixels=one.pixels,
                        errors=int(one.pixels - np.trace(one.counts)),
                        mean_iou=one.mean_iou,
                        loss=float(_LOSS[own[:, cols][known]].mean()),
                    )
                )


def patch_edges(length: int, patch_px: int) -> list[int]:
    """Where the patches of a side begin and end: as many as fit best, of equal length, so that none is a thin rest."""
    count = max(1, round(length / patch_px))
    return [length * number // count for number in range(count + 1)]


class _MapFile:
    """A compressed GeoTIFF of four bytes a pixel (`MAP_BANDS`), written band of rows by band of rows; none for None."""

    def __init__(self, path: Path | None, image: Scene, shape: tuple[int, int]):
        self._path, self._image, self._shape = path, image, shape
        self.name = None if path is None else path.name

    def __enter__(self) -> _MapFile:
        self._file = None if self._path is None else open_map(self._path, self._image, self._shape, MAP_BANDS)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: int, *bands: np.ndarray) -> None:
        """Store rows from `row` on, uint8 (h, w) for each band."""
        if self._file is not None:
            height, width = bands[0].shape
            self._file.write(np.stack(bands), window=rasterio.windows.Window(0, row, width, height))


def open_map(path: Path, image: Scene, shape: tuple[int, int], bands: Iterable[str]) -> rasterio.io.DatasetWriter:
    """A new GeoTIFF of bytes on the grid of a scene, with named bands."""
    place = placement(image, Window(0, 0, *shape))
    bands = tuple(bands)
    path.parent.mkdir(parents=True, exist_ok=True)
    placed = not place.points and place.geo.situated
    georeference = {"crs": place.geo.crs and place.geo.crs.to_wkt(), "transform": place.geo.transform} if placed else {}
    layout = dict(tiled=True, blockxsize=256, blockysize=256, compress="DEFLATE", zlevel=3, interleave="band", bigtiff="IF_SAFER")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        file = rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=shape[0],
            width=shape[1],
            count=len(bands),
            dtype="uint8",
            photometric="MINISBLACK",
            **layout,
            **georeference,
        )
    if place.points:
        file.gcps = (list(place.points), place.points_crs)
    for number, name in enumerate(bands, 1):
        file.set_band_description(number, name)
    return file
