"""Which output of a network is the answer, and how its values are a map of classes: told by shapes and values, without Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import ModelError
from core.model_store.shapes import Shape

COARSEST = 32
"""The most pixels along a side that one value of an output may stand for."""
SHARES = ("sigmoid", "hard_sigmoid", "hard_sigmoid_of_keras_2")
"""Activations that give each class a share of its own."""
_CLOSE = 1e-3
Layout = Literal["map", "classes first", "list", "list, classes first", "no classes"]


@dataclass(frozen=True)
class Form:
    """How an output is a map: its classes, for how many pixels along each side one value stands, and in which order the values lie."""

    classes: int
    times: int
    layout: Layout


@dataclass(frozen=True)
class Head:
    """One output: its name, its shape without the batch as far as it is told, and the activation nearest to it."""

    name: str
    shape: Shape
    activation: str

    @property
    def channels(self) -> int:
        """How many values lie along the last axis; 0 when the description does not tell."""
        return (self.shape[-1] if self.shape else None) or 0

    def told(self) -> str:
        """Name and shape in words: "seg (64 x 64 x 3)"; the name alone where the shape is not known."""
        return self.name if not self.shape or None in self.shape else f"{self.name} ({' x '.join(map(str, self.shape))})"


@dataclass(frozen=True)
class Choice:
    """The number of the output that is the answer, from 0, and why: words behind its name. `sure`: nobody has to be asked."""

    number: int
    why: str
    sure: bool = True


def form_of(shape: Sequence[int | None], height: int, width: int) -> Form | None:
    """How an output of this shape is a map for an image of height x width pixels; None when it is none, or not known."""
    if None in shape or len(shape) not in (2, 3):
        return None
    given = [length or 0 for length in shape]
    for times in range(1, COARSEST + 1):
        if height % times or width % times:
            continue
        sides, pixels = [height // times, width // times], height * width // times**2
        if len(given) == 3:
            found: tuple[tuple[bool, int, Layout], ...] = (
                (given[:2] == sides, given[2], "map"),
                (given[1:] == sides, given[0], "classes first"),
            )
        else:
            found = (
                (given == sides, 1, "no classes"),
                (given[0] == pixels, given[1], "list"),
                (given[1] == pixels, given[0], "list, classes first"),
            )
        for fits, classes, layout in found:
            if fits:
                return Form(classes, times, layout)
    return None


def chosen_output(heads: Sequence[Head], height: int, width: int) -> Choice:
    """The output that is the answer.

    Of outputs of one shape and activation it is the last one, as networks with deep supervision have it; of others the only one at
    the finest resolution that tells several classes. A choice that is not `sure` has to be asked for.
    """
    last = len(heads) - 1
    if last == 0:
        return Choice(0, "the only output")
    known = not any(None in head.shape for head in heads)
    if known and len({(head.shape, head.activation) for head in heads}) == 1:
        return Choice(last, "the last of outputs of one shape")
    forms = [form_of(head.shape, height, width) for head in heads]
    maps = [(number, form) for number, form in enumerate(forms) if form is not None]
    if not known or not maps:
        return Choice(last, "the last", sure=False)
    finest = min(form.times for _, form in maps)
    fine = [(number, form) for number, form in maps if form.times == finest]
    if len(fine) == 1:
        return Choice(fine[0][0], "the only map of classes" if len(maps) == 1 else "the only one at the finest resolution")
    if len({(form.classes, heads[number].activation) for number, form in fine}) == 1:
        return Choice(fine[-1][0], "the last of the finest ones")
    several = [number for number, form in fine if form.classes > 1]
    if len(several) == 1:
        return Choice(several[0], "the only one of several classes")
    return Choice(last, "the last", sure=False)


def refusal_of_outputs(file: str, heads: Sequence[Head]) -> ModelError:
    """The error for several outputs of which none is clearly the answer; to be raised."""
    return ModelError(
        f"{file} has {len(heads)} outputs: {', '.join(head.told() for head in heads)}",
        expected="one that is the map of classes, or several of one shape",
        do="Name that one with --output when it is imported",
    )


def refusal_of_shape(who: str, head: Head, height: int, width: int) -> ModelError:
    """The error for an output that is no map of an image of height x width pixels, to be raised; `who` begins it, as "net.h5"."""
    shape = " x ".join("?" if length is None else str(length) for length in head.shape)
    if len(head.shape) == 1:
        count = head.shape[0]
        flat = count and count > height * width // COARSEST**2 and count % (height * width) == 0
        if flat:
            what = f"gives {count} values in one row for {height} x {width} pixels"
        else:
            what = f"gives one label of {'?' if count is None else count} for a whole image, as a classifier does"
        return ModelError(f"{who} {what}", expected="a label for each pixel", do="Use a segmentation model")
    return ModelError(
        f"{who} gives {shape} values for {height} x {width} pixels",
        expected=f"a map of classes, in the image's size or a whole part of it down to 1/{COARSEST}",
        do="Use another model",
    )


def untaken_size(height: int, width: int, error: Exception) -> ModelError:
    """The error for a network of any size that fails on this one; to be raised."""
    return ModelError(
        f"a network that does not take patches of {height} x {width} pixels ({' '.join(str(error).split())[-200:]})",
        expected="a size that it can halve and join again, as 256",
        do="Name another patch size",
    )


def ending(values: np.ndarray, form: Form, described: str) -> str:
    """What an output ends in: the activation that is described, or what its values for `samples` show it to be.

    Raises ModelError for values that are no shares and no logits of classes.
    """
    if not np.issubdtype(values.dtype, np.floating):
        raise _no_values(
            f"gives numbers of classes ({values.dtype}) for each pixel",
            "a value for each class",
            "Save it without its last step, which picks one class",
        )
    usual, far = values
    if not np.isfinite(usual).all():
        raise _no_values("gives values that are no numbers (NaN)", "a value for each class", "Check the file")
    seen = values if np.isfinite(far).all() else values[:1]
    low, high = float(seen.min()), float(seen.max())
    shares = low >= -_CLOSE and high <= 1 + _CLOSE
    if form.classes == 1:
        return _ending_of_one(described, low, high, surely=len(seen) == 2)
    sums = seen.sum(axis=1 if form.layout in ("classes first", "list, classes first") else -1)
    if low >= -_CLOSE and np.abs(sums - 1).max() <= _CLOSE:
        return "softmax"
    if described in SHARES and shares:
        return described
    if described == "mixed":
        raise _no_values(
            "joins heads of which some end in shares and others in plain values",
            "heads that end alike",
            "Save it with one of these heads alone",
        )
    return "joined" if shares and high - low > _CLOSE and len(seen) == 2 else "linear"


def _ending_of_one(described: str, low: float, high: float, *, surely: bool) -> str:
    if described == "softmax":
        raise _no_values("ends in a softmax over one class, which is 1 everywhere", "a sigmoid, or one value for each class", "Train it so")
    if described in SHARES:
        if low < -_CLOSE or high > 1 + _CLOSE:
            raise _no_values(f"gives one value for each pixel, from {low:.3g} to {high:.3g}", "a share from 0 to 1", "Use another model")
        return described
    if surely and low >= -_CLOSE and high <= 1 + _CLOSE and high - low > _CLOSE:
        return "sigmoid"
    if surely and low >= 0:
        raise _no_values(
            f"gives one value for each pixel that is never below 0 ({described}, {low:.3g} to {high:.3g})",
            "a sigmoid, or logits on both sides of 0",
            "Use a segmentation model",
        )
    return "linear"


def _no_values(found: str, expected: str, do: str) -> ModelError:
    return ModelError(f"a network that {found}", expected=expected, do=do)
