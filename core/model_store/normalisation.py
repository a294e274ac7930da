"""How raw values become what a network takes: every way that a card can hold, its words for people, and its arithmetic.

A card's normalisation is a dict with "kind":
"none"; "divide" with "divisor", one number or one per band; "standard" with "mean" and "std" per band; "patch" with "bands"
"each" or "together", the least value of a patch becomes 0 and its largest 1; "image" with "low" and "high", percentages of
the pixels of a band of the whole image between which values become 0 to 1, and those beyond are cut off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import ModelError, SettingsError
from core.networks.encoders import published_normalisation

Limits = np.ndarray | Sequence[np.ndarray]

SEAMS = (
    "Each patch is scaled by its own darkest and brightest value, so the same ground gets other values in the next patch: "
    "expect steps between patches, which a large overlap softens but does not take away. "
    "A rule for the whole image or the whole data set has no such steps."
)
"""What scaling by the patch does to seams."""


@dataclass(frozen=True)
class Way:
    """One way to name when a model is trained or taken in: its word, a title, and what it does, for people."""

    word: str
    title: str
    about: str


WAYS = (
    Way(
        "auto",
        "As suits the data",
        "published weights get what they were trained with, 8-bit values are divided by 255, others standardised",
    ),
    Way("none", "None: values as the file has them", "for networks that normalise by themselves, or values that are 0 to 1 already"),
    Way("divide", "Divided by a number", "by 255, or the number or one per band that follows: divide=10000"),
    Way("maximum", "Divided by each band's largest value", "of the training patches"),
    Way("standard", "Mean and spread of each band", "of the training patches, or those that follow, first all means: standard=90,80,2,3"),
    Way("patch", "Min-max of each patch, band by band", "as MinMaxScaler does it on a patch; shows seams"),
    Way("patch-together", "Min-max of each patch, all bands together", "as MinMaxScaler does it on a patch as one column; shows seams"),
    Way("image", "2 to 98 % stretch of each band and image", "or between other percentages: image=1,99; image=0,100 is its min-max"),
    Way("caffe", "ImageNet's mean, blue first", "preprocess_input of VGG16 and of Keras's ResNet50"),
    Way("symmetric", "From -1 to 1", "preprocess_input of MobileNet and Inception"),
    Way("torch", "ImageNet's mean and spread", "preprocess_input of EfficientNet and DenseNet, in PyTorch's manner"),
)
"""All of them, the usual first."""
_WAYS = {way.word: way for way in WAYS}
_PUBLISHED = {"caffe": "vgg16", "symmetric": "mobilenet", "torch": "efficientnetb0"}
PUBLISHED_WAYS = tuple(_PUBLISHED)
"""ImageNet's, for red, green and blue."""
BLUE_FIRST = "caffe"
"""The one whose networks take blue first."""


def titled(word: str) -> str:
    """The title of a way."""
    return _WAYS[word].title


def read_normalisation(text: str, *, bands: int | None = None, statistics: Mapping[str, Sequence[float]] | None = None) -> dict[str, Any]:
    """What a word of `WAYS`, but "auto", means for so many bands, numbers after "=" included, as a card has it.

    `statistics` are those of the training patches, where there are some. The ImageNet ways are for red, green, blue, whatever
    the order of the network's bands. Raises SettingsError.
    """
    word, numbers = _parted(text)
    if word == "none":
        return {"kind": "none"}
    if word == "divide":
        return {"kind": "divide", "divisor": (numbers[0] if len(numbers) == 1 else numbers) if numbers else 255.0}
    if word in ("patch", "patch-together"):
        return {"kind": "patch", "bands": "each" if word == "patch" else "together"}
    if word == "image":
        return {"kind": "image", "low": numbers[0] if numbers else 2.0, "high": numbers[1] if numbers else 98.0}
    if word == "standard" and numbers:
        return {"kind": "standard", "mean": numbers[: len(numbers) // 2], "std": numbers[len(numbers) // 2 :]}
    if word in _PUBLISHED:
        if bands not in (None, 3):
            raise SettingsError(
                f"normalisation {text!r} for {bands} bands", expected="three: red, green and blue", do="Choose standard, or three bands"
            )
        return published_normalisation(_PUBLISHED[word])
    if statistics is None:
        raise SettingsError(
            f"normalisation {text!r} without numbers",
            expected="those of its training: divide=MAX,MAX,... or standard=MEAN,...,SPREAD,...",
            do="Name them after the word",
        )
    if word == "maximum":
        return {"kind": "divide", "divisor": [float(value) if value > 0 else 1.0 for value in statistics["max"]]}
    mean, std = ([float(value) for value in statistics[name]] for name in ("mean", "std"))
    return {"kind": "standard", "mean": mean, "std": [max(value, 1e-6) for value in std]}


def check_way(text: str) -> str:
    """The text, if it is a word of `WAYS` with numbers that fit it. Raises SettingsError."""
    word, _ = _parted(text)
    if word != "auto":
        read_normalisation(text, statistics={"mean": (0,), "std": (1,), "max": (1,)})
    return text


def _parted(text: str) -> tuple[str, list[float]]:
    word, _, rest = text.strip().partition("=")
    try:
        numbers = [float(item) for item in rest.replace(";", ",").split(",")] if rest else []
    except ValueError:
        numbers, word = [], ""
    right = {
        "divide": all(number > 0 for number in numbers),
        "image": not numbers or (len(numbers) == 2 and 0 <= numbers[0] < numbers[1] <= 100),
        "standard": len(numbers) % 2 == 0 and all(number > 0 for number in numbers[len(numbers) // 2 :]),
    }.get(word, not numbers)
    if word not in _WAYS or not right:
        raise SettingsError(
            f"normalisation {text!r}",
            expected=f"one of {', '.join(_WAYS)}; numbers follow as in divide=10000, image=1,99 or standard=90,80,2,3",
            do="Change normalisation",
        )
    return word, numbers


def check_normalisation(value: Mapping[str, Any], bands: int) -> None:
    """Raise ModelError for a normalisation that no card of so many bands can have."""
    kind = value.get("kind")
    if kind == "divide":
        divisors = _numbers(value, "divisor")
        good = len(divisors) in (1, bands) and all(number > 0 for number in divisors)
    elif kind == "standard":
        means, stds = _numbers(value, "mean"), _numbers(value, "std")
        good = len(means) == len(stds) == bands and all(map(math.isfinite, means)) and all(number > 0 for number in stds)
    elif kind == "image":
        low, high = _numbers(value, "low"), _numbers(value, "high")
        good = len(low) == len(high) == 1 and 0 <= low[0] < high[0] <= 100
    else:
        good = kind == "none" or (kind == "patch" and value.get("bands") in ("each", "together"))
    if not good:
        raise ModelError(
            f"a model card with normalisation {dict(value)} for {bands} bands",
            expected='"none", "divide" with a positive divisor or one per band, "standard" with one mean and one positive std per band, '
            '"patch" with bands "each" or "together", or "image" with low and high percentages',
            do="Mend the card",
        )


def _numbers(value: Mapping[str, Any], key: str) -> list[float]:
    """One number or several of a card; NaN, which no comparison holds for, for what is none, as a text of digits."""
    found = value.get(key, ())
    items = found if isinstance(found, (list, tuple, np.ndarray)) else (found,)
    numbers = (isinstance(item, (int, float, np.number)) and not isinstance(item, bool) for item in items)
    return [float(item) if number and abs(item) < 1e300 else math.nan for item, number in zip(items, numbers, strict=True)]


def normalise(batch: np.ndarray, normalisation: Mapping[str, Any], limits: Limits | None = None) -> np.ndarray:
    """Network input float32 (..., B) of raw values (..., B); NaN becomes 0 so that nodata cannot spread.

    "patch" takes the last three axes, (h, w, B), as a patch. "image" needs `limits`: what becomes 0 and what 1 in each band
    of the image, each (B,) or of a shape that fits the batch; see `core.patches.statistics.image_limits`.
    """
    kind = normalisation["kind"]
    values = np.array(batch, np.float32)
    if kind == "divide":
        values /= np.asarray(normalisation["divisor"], np.float32)
    elif kind == "standard":
        values -= np.asarray(normalisation["mean"], np.float32)
        values /= np.asarray(normalisation["std"], np.float32)
    elif kind == "patch":
        axes = (-3, -2) if normalisation["bands"] == "each" else (-3, -2, -1)
        known = np.isfinite(values) if np.issubdtype(np.asarray(batch).dtype, np.floating) else True
        low = values.min(axis=axes, keepdims=True, initial=np.inf, where=known)
        _between(values, low, values.max(axis=axes, keepdims=True, initial=-np.inf, where=known))
    elif kind == "image":
        assert limits is not None, "values are stretched by the limits of their image"
        low, high = (np.asarray(limit, np.float32) for limit in limits)
        _between(values, low, high)
        np.clip(values, 0, 1, out=values)
    if np.issubdtype(np.asarray(batch).dtype, np.floating):
        np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return values


def _between(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Move values so that `low` becomes 0 and `high` 1; where both are equal, the difference stays, as MinMaxScaler has it."""
    values -= low
    with np.errstate(invalid="ignore"):  # a patch without a single number has inf for both
        values /= np.where(high > low, high - low, np.float32(1))


def normalisation_sentence(value: Mapping[str, Any]) -> str:
    """What it does, with its numbers."""
    if value["kind"] == "divide":
        return "divided by " + ", ".join(f"{number:g}" for number in np.atleast_1d(value["divisor"]))
    if value["kind"] == "standard":
        pairs = zip(value["mean"], value["std"], strict=True)
        return "per band (value - mean) / std: " + ", ".join(f"({mean:.5g}, {std:.5g})" for mean, std in pairs)
    if value["kind"] == "patch":
        return f"min-max of each patch, {'band by band' if value['bands'] == 'each' else 'all bands together'}"
    if value["kind"] == "image":
        return f"{value['low']:g} to {value['high']:g} % stretch of each band and image"
    return "none"


def seams_warning(value: Mapping[str, Any] | str) -> str:
    """`SEAMS` for a normalisation by the patch, as a card has it or as a word; "" for any other."""
    by_patch = value.startswith("patch") if isinstance(value, str) else value["kind"] == "patch"
    return SEAMS if by_patch else ""
