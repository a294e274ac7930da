"""Which output of a network is the answer, and how its values are a map of classes: told by shapes alone, without Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.errors import ModelError
from core.model_store.shapes import Shape

COARSEST = 32
"""The most pixels along a side that one value of an output may stand for."""
SHARES = ("sigmoid", "hard_sigmoid", "hard_sigmoid_of_keras_2")
"""Activations that give each class a share of its own."""
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
