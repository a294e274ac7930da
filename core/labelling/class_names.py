"""The classes of an answer: the model's with their ids, and behind them those that only the strokes know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from core.classes import ClassScheme, Colour
from core.colours.choosing import distinct_colours
from core.labelling.strokes import Stroke, painted_names


def scheme_with(base: ClassScheme | None, strokes: Sequence[Stroke]) -> tuple[tuple[Stroke, ...], ClassScheme]:
    """The strokes with their classes as the scheme spells them, and the scheme: the base's classes first, then new ones as they come.

    Names that differ by capital letters alone are one class. Raises ClassesError where no class was painted and there is no base, or
    where they are too many.
    """
    names = list(base.names) if base is not None else []
    spelt = {name.casefold(): name for name in reversed(names)} | {name: name for name in names}
    new: list[str] = []
    for name in painted_names(strokes):
        if name not in spelt and name.casefold() not in spelt:
            spelt[name.casefold()] = name
            new.append(name)
    called = {name: spelt.get(name) or spelt[name.casefold()] for name in painted_names(strokes)}
    renamed = tuple(one if one.class_name is None else replace(one, class_name=called[one.class_name]) for one in strokes)
    if base is None:
        return renamed, ClassScheme(tuple(new), tuple(distinct_colours(len(new)))).natural()
    return renamed, with_classes(base, new)


def with_classes(scheme: ClassScheme, names: Iterable[str]) -> ClassScheme:
    """The scheme with further classes behind its own, in colours that it does not use."""
    names = tuple(names)
    taken = {*scheme.colours, *scheme.ignored_colours}
    free: list[Colour] = [colour for colour in distinct_colours(len(names) + len(taken)) if colour not in taken]
    return replace(scheme, names=(*scheme.names, *names), colours=(*scheme.colours, *free[: len(names)]), values=None)
