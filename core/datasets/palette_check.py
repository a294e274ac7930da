"""Whether a data set's class file says the same as its masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.classes import to_hex
from core.datasets.datasets import Dataset
from core.datasets.masks.palettes import load_quietly, same_class

_MANY_STRANGERS = 0.001


def conflicting_classes(dataset: Dataset, off_palette: Mapping[str, int], counts: np.ndarray) -> list[str]:
    """Names of the classes whose colour in `classes.json` is not the one that the masks show.

    Names are those of the scheme in use where it knows the class. A colour that the file gives to a class conflicts
    when the scheme in use gives that class another one; without such a class, when no mask pixel has it although the
    masks hold colours that are no class.
    """
    declared = load_quietly(dataset.class_file)
    if declared is None or dataset.kind != "colour":
        return []
    scheme = dataset.scheme
    if declared.colours == scheme.colours and declared.names == scheme.names:
        strange = sum(off_palette.values()) > _MANY_STRANGERS * max(1, int(counts.sum()))
        return [name for name, n in zip(scheme.names, counts, strict=False) if n == 0] if strange else []
    conflicts = []
    for name, colour in zip(declared.names, declared.colours, strict=True):
        own = same_class(name, scheme)
        if own is None:
            unseen = colour not in scheme.colours and to_hex(colour) not in off_palette
            if unseen:
                conflicts.append(name)
        elif scheme.colours[own] != colour:
            conflicts.append(scheme.names[own])
    return conflicts
