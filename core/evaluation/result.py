"""What an evaluation found, as counts from which every score follows; read from its folder without any network library."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np

from core.classes import ClassScheme
from core.confusion import Confusion
from core.errors import ClassesError, InputError
from core.evaluation.areas import AdjustedAreas, adjusted_areas
from core.evaluation.boundary import boundary_iou
from core.evaluation.calibration import Reliability, reliability_of_bytes
from core.evaluation.intervals import PER_CLASS, SINGLE, Intervals, bootstrap
from core.evaluation.regions import PolygonScore
from core.evaluation.thresholds import ThresholdCurve, threshold_curve
from core.reading.readable import read_record, reason

EVALUATION_FILE = "evaluation.json"
REPORT_FILE = "report.html"
PICTURES, MAPS = "pictures", "maps"
VIEWS = ("image", "mask", "prediction", "error")
_VERSION = 1


@dataclass(frozen=True, eq=False)
class SceneResult:
    """Counts of one scene, K classes.

    `unlabelled` int (K,): predictions on unlabelled pixels. `boundary` int (K, 2): see `boundary_counts`. `sample`
    int (K, K): truth and prediction on a sparse grid. `mapped` int (K,): pixels of each class on the map. `map` names the
    GeoTIFF in the evaluation's folder with prediction, truth, confidence and the label's probability.
    """

    name: str
    group: str
    height: int
    width: int
    confusion: Confusion
    unlabelled: np.ndarray
    boundary: np.ndarray
    sample: np.ndarray
    mapped: np.ndarray
    pixel_area_m2: float | None = None
    polygons: Mapping[str, PolygonScore] = field(default_factory=dict)
    map: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {name: getattr(self, name) for name in ("name", "group", "height", "width", "pixel_area_m2", "map")}
        arrays = {name: getattr(self, name).tolist() for name in ("unlabelled", "boundary", "sample", "mapped")}
        counts = {"confusion": self.confusion.counts.tolist(), "ignored_pixels": self.confusion.ignored_pixels}
        return {**plain, **arrays, **counts, "polygons": {name: asdict(score) for name, score in self.polygons.items()}}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> SceneResult:
        """Read what `to_dict` wrote."""
        arrays = {name: np.array(value[name], np.int64) for name in ("unlabelled", "boundary", "sample", "mapped")}
        plain = {name: value[name] for name in ("name", "group", "height", "width", "pixel_area_m2", "map")}
        polygons = {name: PolygonScore(**score) for name, score in value["polygons"].items()}
        return cls(
            **plain, **arrays, polygons=polygons, confusion=Confusion(np.array(value["confusion"], np.int64), value["ignored_pixels"])
        )


@dataclass(frozen=True)
class PatchResult:
    """One square of a scene: labelled pixels, wrong ones, mean IoU, and the mean loss (-log of the label's probability).

    `picture` begins the names of its pictures in the evaluation's folder: f"{picture}_{view}.png" for `VIEWS`.
    """

    scene: str
    row: int
    col: int
    height: int
    width: int
    pixels: int
    errors: int
    mean_iou: float | None
    loss: float
    picture: str | None = None

    @property
    def error_fraction(self) -> float:
        """Share of the labelled pixels that is wrong."""
        return self.errors / self.pixels


@dataclass(frozen=True)
class LabelError:
    """A region whose label is probably wrong: what it is labelled, what the model is sure of, and how sure (0 to 1).

    `score` is its area in pixels weighted by how far the two probabilities lie apart: the list is sorted by it.
    """

    scene: str
    row: int
    col: int
    height: int
    width: int
    pixels: int
    labelled: str
    predicted: str
    confidence: float
    label_probability: float
    score: float
    picture: str | None = None


@dataclass(frozen=True, eq=False)
class Calibration:
    """The temperature that suits a sample of pixels, beyond what the model's card already applies.

    `applied` is the card's, `fitted` the one found on top of it: storing their product in the card gives `after`.
    """

    applied: float
    fitted: float
    pixels: int
    before: Reliability
    after: Reliability

    @property
    def temperature(self) -> float:
        """What the card should hold."""
        return self.applied * self.fitted


class _Scene(TypedDict):
    """What the file holds of a scene."""

    name: str
    group: str
    height: int
    width: int
    pixel_area_m2: float | None
    map: str | None
    unlabelled: list[int]
    boundary: list[list[int]]
    sample: list[list[int]]
    mapped: list[int]
    confusion: list[list[int]]
    ignored_pixels: int
    polygons: dict[str, dict[str, Any]]


class _Written(TypedDict):
    """What the file holds."""

    scheme: dict[str, Any]
    results: list[_Scene]
    scenes: Literal["train", "validation", "test", "all"]
    histogram: list[list[list[int]]]
    confidences: list[list[int]]
    patches: list[PatchResult]
    label_errors: list[LabelError]
    calibration: dict[str, Any] | None
    model: str
    dataset: str
    split: str
    notes: list[str]
    settings: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a model on scenes with masks; `notes` say what limits their meaning.

    `histogram` int64 (K, 2, 256) holds labelled pixels by the byte of each class' probability (see
    `probability_histogram`), `confidences` int64 (2, 256) wrong and right pixels by the byte of the confidence.
    `patches` are sorted worst first. `settings` say how it was measured.
    """

    scheme: ClassScheme
    results: tuple[SceneResult, ...]
    scenes: str
    histogram: np.ndarray
    confidences: np.ndarray
    model: str = ""
    dataset: str = ""
    split: str = ""
    notes: tuple[str, ...] = ()
    patches: tuple[PatchResult, ...] = ()
    label_errors: tuple[LabelError, ...] = ()
    calibration: Calibration | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def per_scene(self) -> dict[str, Confusion]:
        """The confusion of each scene."""
        return {one.name: one.confusion for one in self.results}

    @cached_property
    def confusion(self) -> Confusion:
        """All scenes together."""
        return sum(self.per_scene.values(), Confusion.empty(len(self.scheme)))

    @cached_property
    def per_group(self) -> dict[str, Confusion]:
        """The confusion of each group of scenes, such as the images of one tile, in the order of the scenes."""
        found: dict[str, Confusion] = {}
        for one in self.results:
            found[one.group] = found.get(one.group, Confusion.empty(len(self.scheme))) + one.confusion
        return found

    @property
    def mean_iou_over_groups(self) -> float:
        """Mean of each group's mean IoU, so that one large group does not rule the score; NaN where no group has a labelled pixel."""
        scores = [one.mean_iou for one in self.per_group.values() if one.pixels]
        return float(np.mean(scores)) if scores else float("nan")

    @cached_property
    def with_ignored(self) -> Confusion:
        """All scenes together, unlabelled pixels taken as one more class that the model always gets wrong."""
        return self.confusion.with_ignored(sum(one.unlabelled for one in self.results))

    @cached_property
    def intervals(self) -> Intervals:
        """95 % intervals of the scores over scenes."""
        return bootstrap(np.stack([one.confusion.counts for one in self.results]), seed=int(self.settings.get("seed", 0)))

    @cached_property
    def boundary_iou(self) -> np.ndarray:
        """float64 (K,): boundary IoU of each class; NaN where it has no outline."""
        return boundary_iou(sum(one.boundary for one in self.results))

    @cached_property
    def polygons(self) -> dict[str, PolygonScore]:
        """Score of the objects of each class for which that was asked."""
        names = self.results[0].polygons
        return {name: sum((one.polygons[name] for one in self.results), PolygonScore()) for name in names}

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against accuracy over all labelled pixels."""
        return reliability_of_bytes(self.confidences)

    def thresholds(self, name: str) -> ThresholdCurve:
        """Precision and recall of a class at any threshold of its probability."""
        return threshold_curve(self.histogram[self.scheme.names.index(name)])

    @property
    def pixel_area_m2(self) -> float | None:
        """Mean area of a pixel; None where that of any scene is not known."""
        known = [(one.pixel_area_m2, one.mapped.sum()) for one in self.results]
        if any(area is None for area, _ in known) or not sum(pixels for _, pixels in known):
            return None
        return float(sum(area * pixels for area, pixels in known) / sum(pixels for _, pixels in known))

    def areas(self, mapped: Sequence[float] | np.ndarray | None = None) -> AdjustedAreas:
        """Error-adjusted class areas: of a map whose classes cover `mapped` (K,), in its unit, or of the scored scenes.

        The scored scenes are in m2 where the pixel size is known, in pixels otherwise. The sample is the sparse grid of
        `settings["grid_px"]`, because neighbouring pixels repeat each other.
        """
        if mapped is None:
            areas = [one.mapped * (one.pixel_area_m2 if self.pixel_area_m2 else 1.0) for one in self.results]
            mapped = sum(areas)
        return adjusted_areas(sum(one.sample for one in self.results), np.asarray(mapped, np.float64))

    def summary(self) -> dict[str, Any]:
        """Scores as plain values: of all pixels, by class and by scene, with their intervals."""
        whole = self.confusion.summary(self.scheme)
        intervals = self.intervals
        for number, (name, scores) in enumerate(whole["classes"].items()):
            scores["boundary_iou"] = float(self.boundary_iou[number])
            scores["iou_with_ignored"] = float(self.with_ignored.iou[number])
            scores["intervals"] = {key: intervals.of(key, number) for key in PER_CLASS}
            if name in self.polygons:
                one = self.polygons[name]
                scores["polygons"] = {**asdict(one), "precision": one.precision, "recall": one.recall, "f1": one.f1}
        ignored = self.with_ignored
        return {
            **whole,
            "intervals": {"text": intervals.text, **{key: intervals.of(key) for key in SINGLE}},
            "with_ignored": {key: getattr(ignored, key) for key in ("accuracy", "mean_iou", "micro_iou", "mean_f1", "kappa", "pixels")},
            "mean_iou_over_groups": self.mean_iou_over_groups,
            "groups": {name: {"mean_iou": one.mean_iou, "pixels": one.pixels} for name, one in self.per_group.items()},
            "calibration": self._calibration_summary(),
            "scenes": {one.name: self._scene_summary(one) for one in self.results},
            "areas": self._area_summary(),
            "worst_patches": [asdict(patch) for patch in self.patches[:10]],
            "label_errors": [asdict(error) for error in self.label_errors[:10]],
            "part": self.scenes,
            "split": self.split,
            "model": self.model,
            "dataset": self.dataset,
            "settings": dict(self.settings),
            "notes": list(self.notes),
        }

    def _scene_summary(self, one: SceneResult) -> dict[str, Any]:
        keys = ("accuracy", "mean_iou", "micro_iou", "mean_f1", "kappa", "pixels", "ignored_pixels")
        classes = {name: float(iou) for name, iou in zip(self.scheme.names, one.confusion.iou, strict=True)}
        absent = [name for name, there in zip(self.scheme.names, one.confusion.present, strict=True) if not there]
        ignored = one.confusion.with_ignored(one.unlabelled)
        return {
            **{key: getattr(one.confusion, key) for key in keys},
            "with_ignored": {key: getattr(ignored, key) for key in ("accuracy", "mean_iou", "micro_iou")},
            "group": one.group,
            "iou": classes,
            "absent": absent,
        }

    def _calibration_summary(self) -> dict[str, Any]:
        found: dict[str, Any] = {"ece": self.reliability.ece}
        if self.calibration is not None:
            one = self.calibration
            found |= {"temperature": one.temperature, "applied": one.applied, "sample_pixels": one.pixels}
            found |= {"sample_ece": one.before.ece, "sample_ece_after": one.after.ece}
        return found

    def _area_summary(self) -> dict[str, Any]:
        if not sum(one.mapped.sum() for one in self.results):
            return {}
        found = self.areas()
        columns = {"mapped": found.mapped, "estimated": found.estimated, "half_width": found.half_width}
        classes = {name: {key: float(values[k]) for key, values in columns.items()} for k, name in enumerate(self.scheme.names)}
        return {"unit": "m2" if self.pixel_area_m2 else "px", "sample": found.sample, "classes": classes}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON; the scores themselves are under "summary", for other programs."""
        return {
            "version": _VERSION,
            "summary": self.summary(),
            "scheme": self.scheme.to_dict(),
            "results": [one.to_dict() for one in self.results],
            "patches": [asdict(patch) for patch in self.patches],
            "label_errors": [asdict(error) for error in self.label_errors],
            "histogram": self.histogram.tolist(),
            "confidences": self.confidences.tolist(),
            "calibration": None if self.calibration is None else _calibration_to_dict(self.calibration),
            **{name: getattr(self, name) for name in ("scenes", "model", "dataset", "split")},
            "notes": list(self.notes),
            "settings": dict(self.settings),
        }

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Evaluation:
        """Read an evaluation's folder. Raises InputError when it is none."""
        folder = Path(folder)
        try:
            value = read_record(folder / EVALUATION_FILE, _Written)
            found = cls(
                scheme=ClassScheme.from_dict(value["scheme"]),
                results=tuple(SceneResult.from_dict(one) for one in value["results"]),
                histogram=np.array(value["histogram"], np.int64),
                confidences=np.array(value["confidences"], np.int64),
                patches=tuple(PatchResult(**patch) for patch in value["patches"]),
                label_errors=tuple(LabelError(**error) for error in value["label_errors"]),
                calibration=None if value["calibration"] is None else _calibration_from_dict(value["calibration"]),
                notes=tuple(value["notes"]),
                settings=value["settings"],
                folder=folder,
                **{name: value[name] for name in ("scenes", "model", "dataset", "split")},
            )
            found._check()
            return found
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, ClassesError) as error:
            raise InputError(
                f"no evaluation in {folder} ({reason(error)})",
                expected=f"a folder with {EVALUATION_FILE}",
                do="Evaluate again, or name another folder",
            ) from error

    def _check(self) -> None:
        """Raise ValueError where counts are of other classes than the scheme's, or none of any scene."""
        count = len(self.scheme)
        shapes = {"histogram": (count, 2, 256), "confidences": (2, 256)}
        found = [(name, getattr(self, name).shape, shape) for name, shape in shapes.items()]
        shapes = {"unlabelled": (count,), "boundary": (count, 2), "sample": (count, count), "mapped": (count,)}
        for one in self.results:
            found += [(name, getattr(one, name).shape, shape) for name, shape in shapes.items()]
            found.append(("confusion", one.confusion.counts.shape, (count, count)))
        wrong = next((f"{name} has the shape {shape}, not {wanted}" for name, shape, wanted in found if shape != wanted), None)
        if wrong or not self.results:
            raise ValueError(wrong or "it tells of no scene")

    def placed(self, folder: Path) -> Evaluation:
        """The same evaluation, with its pictures and maps in `folder`."""
        return replace(self, folder=folder)


def _calibration_to_dict(one: Calibration) -> dict[str, Any]:
    sides = {side: {key: values.tolist() for key, values in vars(getattr(one, side)).items()} for side in ("before", "after")}
    return {"applied": one.applied, "fitted": one.fitted, "pixels": one.pixels, **sides}


def _calibration_from_dict(value: Mapping[str, Any]) -> Calibration:
    sides = {side: Reliability(**{key: np.array(item, np.float64) for key, item in value[side].items()}) for side in ("before", "after")}
    return Calibration(value["applied"], value["fitted"], value["pixels"], **sides)
