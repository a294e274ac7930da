"""What ONNX files say about themselves: the keys of QGIS Deepness, both ways, and what other programs write besides.

Deepness divides 8-bit values by 255, takes `standardization_mean` off and divides by `standardization_std`. Its own files have values
in JSON; some write plain text or Python's literals. Its documents say `tiles_size`, its program reads `tile_size`: ours have both.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ModelError
from core.model_store.cards import MIN_PATCH_PX, ModelCard

FULL = 255.0
"""What 8-bit values are divided by before anything else is done to them."""
_LARGEST_BESIDE = 5_000_000
_CM = 100.0
_MEASURES = {"regressor", "regression", "depth-estimation"}
_SEGMENTS = {"segmentor", "segmentation", "semantic-segmentation", "semantic_segmentation"}
_KINDS = {
    "detector": "finds objects as boxes",
    "detect": "finds objects as boxes",
    "object-detection": "finds objects as boxes",
    "obb": "finds objects as turned boxes",
    "segment": "finds objects one by one, with a mask for each",
    "pose": "finds points of bodies",
    "recognition": "finds places that look like a picture",
    "superresolution": "makes an image finer",
    "classify": "gives one label for a whole image",
    "classification": "gives one label for a whole image",
    "image-classification": "gives one label for a whole image",
}
_OF_DEEPNESS = ("model_type", "resolution", "tiles_size", "tile_size", "tiles_overlap", "standardization_mean", "seg_thresh")


@dataclass(frozen=True)
class Told:
    """What a file says about itself, None or empty for what it does not.

    `names` are the classes of each output, or what it measures where its values are measured (`measures`). `normalisation` is as a card
    has it; `notes` are sentences for people.
    """

    names: tuple[tuple[str, ...], ...] = ()
    normalisation: Mapping[str, Any] | None = None
    patch_size: int | None = None
    pixel_size_m: float | None = None
    licence: str | None = None
    measures: bool = False
    notes: tuple[str, ...] = ()

    def fitting(self, bands: int) -> Told:
        """The same, its normalisation as simple as it goes, and without one that is none for so many bands."""
        rule = self.normalisation
        if rule is None or rule["kind"] != "standard":
            return self
        if len(rule["mean"]) == len(rule["std"]) == bands and min(rule["std"]) > 0:
            return self if any(rule["mean"]) else replace(self, normalisation=_divided(rule["std"]))
        note = f"Its standardization_mean and standardization_std are not for {bands} bands, and are passed over."
        return replace(self, normalisation=None, notes=(*self.notes, note))

    def classes(self, number: int, count: int) -> tuple[str, ...] | None:
        """The names of the `count` classes of an output; the one name of a single share is that of the object before its background."""
        if not self.names:
            return None
        names = self.names[number if number < len(self.names) else 0]
        if count == 2 and len(names) == 1 and names[0].lower() != "background":
            names = ("Background", *names)
        return names if len(names) == len(set(names)) == count else None


def _divided(divisors: Sequence[float]) -> dict[str, Any]:
    """The rule of values that are divided and moved no further."""
    return {"kind": "divide", "divisor": divisors[0] if len(set(divisors)) == 1 else list(divisors)}


class _Keys:
    """The metadata of a file, read key by key; what cannot be read is told and passed over."""

    def __init__(self, metadata: Mapping[str, str]):
        self.metadata, self.bad = metadata, list[str]()

    def value(self, key: str) -> Any:
        """JSON, Python's literal, or the text as it stands."""
        text = self.metadata.get(key)
        if text is None:
            return None
        for read in (json.loads, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
        return text

    def text(self, *keys: str) -> str | None:
        """The first of these that is a text with something in it."""
        found = (self.metadata.get(key) and str(self.value(key)).strip() for key in keys)
        return next((text for text in found if text), None)

    def number(self, *keys: str, low: float = 0.0) -> float | None:
        """The first of these that is a number of at least `low`."""
        for key in keys:
            value = self.value(key)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= low:
                return float(value)
            if value is not None:
                self.bad.append(key)
        return None

    def numbers(self, key: str) -> list[float] | None:
        """A list of numbers."""
        value = self.value(key)
        if isinstance(value, list) and value and all(isinstance(one, (int, float)) and math.isfinite(one) for one in value):
            return [float(one) for one in value]
        if value is not None:
            self.bad.append(key)
        return None

    def names(self, *keys: str) -> tuple[tuple[str, ...], ...]:
        """Class names of each output: {0: name, ...}, a list of such, or a list of names."""
        for key in keys:
            value = self.value(key)
            if value is None:
                continue
            heads = value if isinstance(value, list) and value and all(isinstance(one, dict) for one in value) else [value]
            try:
                found = tuple(_in_order(head) for head in heads)
            except (TypeError, ValueError):
                found = ()
            if found and all(found):
                return found
            self.bad.append(key)
        return ()


def _in_order(head: Any) -> tuple[str, ...]:
    """The names of one output, by their numbers from 0. Raises ValueError, TypeError for what is none."""
    if isinstance(head, dict):
        numbered = sorted((int(number), str(name)) for number, name in head.items())
        if [number for number, _ in numbered] != list(range(len(numbered))):
            raise ValueError("a number is missing")
        return tuple(name for _, name in numbered)
    if isinstance(head, list) and all(isinstance(name, str) for name in head):
        return tuple(head)
    raise TypeError("no names")


def told_by(metadata: Mapping[str, str], path: Path) -> Told:
    """What the metadata of an ONNX file says, and the text FILE.onnx.json beside it, as geoai writes one.

    Raises ModelError for a network that says to be of another kind.
    """
    keys = _Keys({**_beside(path), **metadata})
    kind = keys.text("model_type") or keys.text("task")
    _refuse_other_kinds(kind, path)
    told = Told(
        measures=(kind or "").lower() in _MEASURES,
        names=keys.names("class_names", "names", "id2label"),
        normalisation=_normalisation(keys),
        patch_size=_whole(keys.number("tiles_size", "tile_size", low=MIN_PATCH_PX))
        or _whole(keys.number("input_height", low=MIN_PATCH_PX)),
        pixel_size_m=(keys.number("resolution", low=1e-6) or 0.0) / _CM or None,
        licence=keys.text("license", "licence"),
    )
    return replace(told, notes=tuple(_notes(keys)))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _normalisation(keys: _Keys) -> dict[str, Any] | None:
    """Deepness's, where the file has one of its keys."""
    if not any(key in keys.metadata for key in _OF_DEEPNESS):
        return None
    mean, std = keys.numbers("standardization_mean"), keys.numbers("standardization_std")
    if mean is None or std is None:
        return {"kind": "divide", "divisor": FULL}
    return {"kind": "standard", "mean": [FULL * value for value in mean], "std": [FULL * value for value in std]}


def _notes(keys: _Keys) -> list[str]:
    said = []
    author, about = keys.text("author"), keys.text("description", "model_name")
    if about:
        said.append(f"The file says of itself: {about[:300]}")
    if author:
        said.append(f"Made by {author[:200]}, as the file says.")
    threshold = keys.number("seg_thresh")
    if threshold:
        said.append(
            f"In Deepness a class needs a probability of {threshold:g}, and class 0 has the rest; here the likeliest class is taken."
        )
    for key in dict.fromkeys(keys.bad):
        said.append(f"Its key {key} holds {keys.metadata[key][:80]!r}, which cannot be read, and is passed over.")
    return said


def _refuse_other_kinds(kind: str | None, path: Path) -> None:
    word = (kind or "").lower()
    if word and word not in _SEGMENTS | _MEASURES:
        what = f", which {_KINDS[word]}" if word in _KINDS else ""
        raise ModelError(
            f"{path.name} calls itself {kind}{what}",
            expected="a network that gives classes for each pixel, or a measured value: a Segmentor or Regressor of Deepness",
            do="Use another model",
        )


def _beside(path: Path) -> dict[str, str]:
    """The values of FILE.onnx.json as texts; none where there is no such file, or it is no object."""
    beside = path.with_name(f"{path.name}.json")
    try:
        if not beside.is_file() or beside.stat().st_size > _LARGEST_BESIDE:
            return {}
        value = json.loads(beside.read_text(encoding="utf-8"))
        return {key: json.dumps(item) for key, item in value.items() if item is not None}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def keys_of(card: ModelCard, *, overlap: float) -> tuple[dict[str, str], tuple[str, ...]]:
    """The metadata by which Deepness runs the network of a card, and sentences about what it cannot do as we do.

    `overlap` of tiles is a fraction. A threshold of 0 and no small segments: the likeliest class, as it is here.
    """
    mean, std = _standardisation(card)
    height, width = card.patch_shape
    values: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(number): name for number, name in enumerate(card.scheme.names)},
        "tiles_size": height,
        "tile_size": height,
        "tiles_overlap": round(100 * overlap),
        "standardization_mean": mean,
        "standardization_std": std,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    if card.pixel_size_m:
        values["resolution"] = round(_CM * card.pixel_size_m / card.scale, 4)
    if card.licence:
        values["license"] = card.licence
    said = []
    if not card.pixel_size_m:
        said.append("The model does not know the size of its pixels: set the resolution in Deepness by hand.")
    if height != width:
        said.append(f"Deepness cuts squares, and this network takes patches of {height} x {width} pixels.")
    if card.dtype != "uint8":
        said.append(f"Deepness reads layers of 8 bits, and this network was trained on {card.dtype}.")
    if card.by_image:
        said.append("Deepness cannot stretch values by the statistics of the whole image, as this network needs them.")
    return {key: value if key == "license" else json.dumps(value) for key, value in values.items()}, tuple(said)


def _standardisation(card: ModelCard) -> tuple[list[float], list[float]]:
    """Mean and spread of values that were divided by 255, so that they become what the card's normalisation makes of them."""
    rule, bands = card.normalisation, len(card.bands)
    if rule["kind"] == "standard":
        return [value / FULL for value in rule["mean"]], [value / FULL for value in rule["std"]]
    if rule["kind"] == "divide":
        return [0.0] * bands, [float(value) / FULL for value in np.broadcast_to(rule["divisor"], bands)]
    if rule["kind"] == "none":
        return [0.0] * bands, [1 / FULL] * bands
    return [0.0] * bands, [1.0] * bands  # the network itself stretches patches, whatever they were divided by
