"""What a model is: all that is needed to rebuild it, to feed it, and to refuse or warn about a wrong input."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from core.classes import ClassScheme
from core.errors import ClassesError, ModelError
from core.files import read_json, write_json
from core.model_store.normalisation import Limits, check_normalisation, normalisation_sentence, normalise, seams_warning
from core.reading.readable import misfit

CARD_FILE = "card.json"
WEIGHTS_FILE = "model.keras"
LIKE_NETWORKS = "by like networks that had not seen them"
"""How the name of a score ends that is no score of the network itself."""
MIN_PATCH_PX = 8
MEASURED = "values"
"""The output of a network that gives one measured number for each pixel, and no classes."""
OUTPUTS = ("softmax", "sigmoid", "logits", MEASURED)
_FOR_PROGRAMS = ("confusion", "pairs")  # entries of the card that nobody reads as text


class _Needed(TypedDict):
    """What every `card.json` holds."""

    name: str
    architecture: str
    scheme: dict[str, Any]
    bands: list[int]


class _Score(TypedDict, total=False):
    """What the score of a part may hold, as far as it is shown."""

    mean_iou: float | None
    accuracy: float | None
    classes: dict[str, dict[str, Any]]


class _Metrics(TypedDict, total=False):
    """The parts of the data that were scored; other entries are text for people."""

    train: _Score | None
    validation: _Score | None
    test: _Score | None
    int8: _Score | None
    mean_iou: float | None


class _Split(TypedDict, total=False):
    """What a split may hold, as far as it is shown."""

    how: str | None
    groups: dict[str, list[str]]
    pairs: dict[str, list[str]]
    patches: dict[str, int]


class _Written(_Needed, total=False):
    """What a `card.json` may hold besides."""

    encoder: str | None
    dtype: str
    normalisation: dict[str, Any]
    patch_size: int
    patch_width: int | None
    scale: float
    pixel_size_m: float | None
    network: dict[str, Any]
    output: str
    temperature: float
    split: _Split
    metrics: _Metrics
    training: dict[str, Any]
    weights_file: str
    licence: str | None
    notes: list[str]
    assumed: list[str]


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model but its weights.

    `bands` are numbered from 1, in the order in which the network takes them. `normalisation` is what
    `core.model_store.normalisation` tells, for example {"kind": "divide", "divisor": 255.0}. Patches measure `patch_size` x
    `patch_size` pixels, or `patch_size` x `patch_width` (height x width) where the network takes no squares.
    Scenes are resized by `scale` before the network (1.0 = as they are). `network` holds what the builder took
    besides the sizes (filters, dropout, ...). `output` is what the stored network ends in; `Model.keras_model` turns
    it into probabilities of the K classes in any case, unless it is MEASURED, where the one name of the scheme says what.
    `temperature` makes probabilities less (above 1) or more sure (`core.prediction.temperature`). `licence` is what the file of another
    program says of its own. `notes` are sentences for people, `assumed` the fields that nobody stated and that were guessed from an old
    file.
    """

    name: str
    architecture: str
    scheme: ClassScheme
    bands: tuple[int, ...]
    encoder: str | None = None
    dtype: str = "uint8"
    normalisation: Mapping[str, Any] = field(default_factory=lambda: {"kind": "divide", "divisor": 255.0})
    patch_size: int = 256
    patch_width: int | None = None
    scale: float = 1.0
    pixel_size_m: float | None = None
    network: Mapping[str, Any] = field(default_factory=dict)
    output: str = "softmax"
    temperature: float = 1.0
    split: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    weights_file: str = WEIGHTS_FILE
    licence: str | None = None
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "bands", tuple(int(band) for band in self.bands))
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "assumed", tuple(self.assumed))
        check_normalisation(self.normalisation, len(self.bands))
        if Path(self.weights_file).name != self.weights_file or self.weights_file in ("", ".", "..") or "\\" in self.weights_file:
            raise ModelError(
                f"a model card whose weights lie at {self.weights_file!r}", expected="a file beside the card", do="Mend the card"
            )
        if not self.bands or min(self.bands) < 1 or min(self.patch_shape) < 1 or not 0 < self.scale < float("inf"):
            raise ModelError(
                f"a model card with bands {list(self.bands)}, patches of {self.patch_shape} pixels and scale {self.scale}",
                expected="band numbers from 1, a size and a scale above 0",
                do="Mend the card",
            )
        if self.output not in OUTPUTS:
            raise ModelError(f"a model card with output {self.output!r}", expected=" or ".join(OUTPUTS), do="Mend the card")
        if self.output == MEASURED and len(self.scheme) != 1:
            raise ModelError(
                f"a model card of measured values with {len(self.scheme)} names", expected="one, of what is measured", do="Mend the card"
            )
        if not 0 < self.temperature < float("inf"):
            raise ModelError(f"a model card with temperature {self.temperature}", expected="a number above 0", do="Mend the card")

    @property
    def patch_shape(self) -> tuple[int, int]:
        """Height and width of a patch in pixels."""
        return self.patch_size, self.patch_width or self.patch_size

    def normalise(self, batch: np.ndarray, limits: Limits | None = None) -> np.ndarray:
        """Network input float32 (..., B) of raw scene values (..., B) in the order of `bands`; NaN becomes 0.

        `limits` (2, B) are those of the image where `by_image` says that they are needed.
        """
        return normalise(batch, self.normalisation, limits)

    @property
    def by_image(self) -> bool:
        """Whether values are stretched by the statistics of the whole image that they come from."""
        return self.normalisation["kind"] == "image"

    def held_out(self) -> tuple[str, float] | None:
        """The part of the data that the score was measured on, "test" where there is one, else "validation", and its mean IoU (0..1)."""
        scored = ((part, self.metrics.get(part)) for part in ("test", "validation"))
        known = ((part, values["mean_iou"]) for part, values in scored if isinstance(values, dict) and values.get("mean_iou") is not None)
        return next(known, None)

    def of_like_networks(self) -> tuple[int, float] | None:
        """What networks made in the same way scored on folds that they had not seen, where no data was left to score this one on.

        How many folds, and the mean of their mean IoU (0..1).
        """
        scored = ((name, values) for name, values in self.metrics.items() if name.endswith(LIKE_NETWORKS))
        folds = [values["mean_iou"] for _, values in scored if isinstance(values, dict) and values.get("mean_iou") is not None]
        return (len(folds), sum(folds) / len(folds)) if folds else None

    def groups_of(self, part: str) -> tuple[str, ...]:
        """The groups of images (tiles, places) in a part of the split; none where it is not by group."""
        return tuple(self.split.get("groups", {}).get(part, ()))

    def was_trained_on(self, names: Iterable[str]) -> bool:
        """Whether an image of one of these names was among the training images."""
        return bool(set(names) & set(self.split.get("pairs", {}).get("train", ())))

    @property
    def measured(self) -> str | None:
        """What the network measures for each pixel; None for one that gives classes."""
        return self.scheme.names[0] if self.output == MEASURED else None

    def to_dict(self) -> dict[str, Any]:
        """The card as plain values, for JSON."""
        value = {item.name: getattr(self, item.name) for item in fields(self)}
        value["scheme"] = self.scheme.to_dict()
        for name in ("patch_width", "licence"):
            if value[name] is None:
                del value[name]  # cards without them read as they always did
        for name in ("bands", "notes", "assumed"):
            value[name] = list(value[name])
        for name in ("normalisation", "network", "split", "metrics", "training"):
            value[name] = dict(value[name])
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ModelCard:
        """Read what `to_dict` wrote; keys of a newer version are passed over. Raises ModelError when it is no card."""
        wrong = misfit(value, _Written)
        try:
            if wrong is None:
                known = {item.name for item in fields(cls)}
                found = {name: item for name, item in value.items() if name in known}
                return cls(**{**found, "scheme": ClassScheme.from_dict(value["scheme"])})
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError, ClassesError) as error:
            wrong = str(error)
        raise ModelError(
            f"a model card that cannot be read ({wrong})",
            expected="a card.json written by Groundline",
            do="Train again or mend the card",
        )

    @classmethod
    def load(cls, path: str | os.PathLike) -> ModelCard:
        """Read a `card.json`, or the one in the folder `path`. Raises ModelError when there is none."""
        path = Path(path)
        path = path / CARD_FILE if path.is_dir() else path
        try:
            value = read_json(path)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"no readable model card at {path} ({error})", expected=f"a model folder with {CARD_FILE}", do="Name another model"
            ) from error
        return cls.from_dict(value)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the card as JSON to `path`, or as `card.json` with a readable README.md into the folder `path`."""
        path = Path(path)
        if not path.is_dir():
            return write_json(path, self.to_dict())
        (path / "README.md").write_text(describe(self), encoding="utf-8")
        return write_json(path / CARD_FILE, self.to_dict())


def describe(card: ModelCard) -> str:
    """The card as a page for people, in Markdown."""
    network = card.architecture if card.encoder is None else f"{card.architecture} with {card.encoder} encoder"
    height, width = card.patch_shape
    lines = [
        f"# {card.name}",
        "",
        f"- Network: {network}, patches of {height} x {width} pixels",
        f"- Bands: {', '.join(map(str, card.bands))} of {card.dtype} images",
        f"- Normalisation: {normalisation_sentence(card.normalisation)}",
    ]
    if seams_warning(card.normalisation):
        lines.append(f"- {seams_warning(card.normalisation)}")
    if card.network.get("rates"):
        lines.append(f"- Atrous rates: {_short(card.network['rates'])} pixels of the map, which has one for 16 x 16 pixels of the patch")
    if card.scale != 1.0:
        lines.append(f"- Scenes are resized by {card.scale:g} before the network")
    if card.temperature != 1.0:
        lines.append(f"- Probabilities are calibrated with temperature {card.temperature:.3f}")
    if card.pixel_size_m:
        lines.append(f"- Made for pixels of {card.pixel_size_m:g} m")
    if card.licence:
        lines.append(f"- Licence, as its file says: {' '.join(card.licence.split())}")
    if card.measured:
        lines += ["", f"It gives one measured value for each pixel, {card.measured}, and no classes."]
    else:
        lines += ["", "## Classes", "", "| id | class | colour |", "|---|---|---|"]
        lines += [f"| {i} | {name} | {card.scheme.hex(i)} |" for i, name in enumerate(card.scheme.names)]
    lines += _section("Split", card.split) + _metrics_section(card.metrics) + _section("Training", card.training)
    if card.notes or card.assumed:
        lines += ["", "## Notes", ""]
        lines += [f"- {note}" for note in card.notes]
        lines += [f"- Assumed, because the file does not say it: {item}" for item in card.assumed]
    return "\n".join(lines) + "\n"


def _section(title: str, values: Mapping[str, Any]) -> list[str]:
    if not values:
        return []
    lines = ["", f"## {title}", ""]
    for name, value in values.items():
        if isinstance(value, Mapping):
            value = "; ".join(f"{key} {_short(item)}" for key, item in value.items() if item is not None and not _empty(item))
        if name not in _FOR_PROGRAMS and value is not None and not _empty(value):
            lines.append(f"- {name.replace('_', ' ')}: {_short(value)}")
    return lines


def _empty(value: Any) -> bool:
    """Whether it is a list or a text without content. NumPy's arrays cannot be compared with an empty list for that."""
    return isinstance(value, (list, tuple, str)) and not value


def _metrics_section(metrics: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for part, values in metrics.items():
        if not isinstance(values, Mapping):
            lines += [f"- {part.replace('_', ' ')}: {_short(values)}"]
            continue
        classes = values.get("classes", {})
        lines += ["", f"### {part}", ""]
        plain = {name: value for name, value in values.items() if not isinstance(value, Mapping) and name not in _FOR_PROGRAMS}
        lines += [f"- {name.replace('_', ' ')}: {_short(value)}" for name, value in plain.items() if not _empty(value)]
        if classes:
            lines += ["", "| class | IoU | precision | recall | F1 |", "|---|---|---|---|---|"]
            for name, item in classes.items():
                lines.append("| " + " | ".join([name, *(_short(item.get(key)) for key in ("iou", "precision", "recall", "f1"))]) + " |")
    return ["", "## Scores", "", *lines] if lines else []


def _short(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_short(item) for item in value)
    return str(value)
