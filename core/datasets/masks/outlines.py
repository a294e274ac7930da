"""Codes that only outlines have: what smooth drawing, resizing and lossy saving leave between the classes of a mask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from core.classes import unpack

MOST_COLOURS = 32
NOISE = 24
"""Colours or grey levels this close to one another can be one, saved with losses."""
_BETWEEN = 48
"""Two values or colours this far apart can have soft rims between them."""
_MIDDLE = 32
_THIN = 0.02
_FEW_PIXELS = 0.001
_FEWEST_RIMS = 3


def apart(one: int, other: int, kind: str) -> int:
    """How far two codes lie apart: the values, or the channel of the colours that differs most."""
    if kind == "ids":
        return abs(one - other)
    return max(abs(a - b) for a, b in zip(unpack(one), unpack(other), strict=True))


def close(code: int, declared_codes: Iterable[int], kind: str) -> bool:
    """Whether a colour is one of the declared ones but for a few steps; numbers are what they are."""
    return kind == "colour" and any(apart(code, one, kind) <= NOISE for one in declared_codes)


def blurred(code: int, declared_codes: Iterable[int], kind: str) -> bool:
    """Whether a code is what blurring or lossy saving makes of declared ones: close to one of them, or between two that lie far apart."""
    known = list(declared_codes)
    if kind == "ids" and max(known, default=0) - min(known, default=0) < _BETWEEN:
        return False
    between = _between_values if kind == "ids" else _between_colours
    return any(apart(code, one, kind) <= NOISE for one in known) or between(code, known)


def soft_rims(masks: Iterable[np.ndarray], kind: str, counts: dict[int, int]) -> frozenset[int]:
    """Codes that stand only on thin outlines, with a value or colour between those of the areas beside them.

    `masks` are codes int (h, w). Outlines that were drawn smooth or resized have several such codes; fewer than three, and those
    that lie close to a class (ids 3 and 4 between 2 and 5), are classes.
    """
    if len(counts) < 5 or len(counts) > 1024:
        return frozenset()
    seen, thick = Counter[int](), Counter[int]()
    for codes in masks:
        around = np.pad(codes, 1, mode="edge")
        uniform = np.ones(codes.shape, bool)
        for row in range(3):
            for col in range(3):
                uniform &= around[row : row + codes.shape[0], col : col + codes.shape[1]] == codes
        seen.update(count_codes(codes))
        thick.update(count_codes(codes[uniform]))
    least = _FEW_PIXELS / 2 * seen.total()
    areas = [code for code in counts if thick[code] > max(least, _THIN * seen[code])]
    thin = [code for code in counts if code in seen and code not in areas]
    between = _between_values if kind == "ids" else _between_colours
    rims = [code for code in thin if between(code, areas)]
    if len(rims) < _FEWEST_RIMS or not any(between(code, areas, margin=_MIDDLE) for code in rims):
        return frozenset()
    # Where three areas meet, their colours mix too.
    return frozenset(rims) | {code for code in thin if counts[code] < _FEW_PIXELS * sum(counts.values())}


def _between_values(code: int, areas: Sequence[int], margin: int = 1) -> bool:
    below, above = [one for one in areas if one < code], [one for one in areas if one > code]
    if not below or not above or min(above) - max(below) < _BETWEEN:
        return False
    return min(code - max(below), min(above) - code) >= margin


def _between_colours(code: int, areas: Sequence[int], margin: int = 1) -> bool:
    points = np.array([unpack(one) for one in (code, *areas)], np.float64)
    own, ends = points[0], points[1:]
    for i in range(len(ends)):
        along = ends - ends[i]
        length = np.linalg.norm(along, axis=1)
        far = length >= _BETWEEN
        if not far.any():
            continue
        place = ((own - ends[i]) * along[far]).sum(axis=1) / length[far]
        off = np.linalg.norm(own - ends[i] - place[:, None] * along[far] / length[far][:, None], axis=1)
        if ((off <= 12) & (place >= margin) & (length[far] - place >= margin)).any():
            return True
    return False


def count_codes(codes: np.ndarray) -> dict[int, int]:
    """Pixels of each code. Masks hold few codes in large areas, so the commonest are peeled off before the rest is sorted."""
    counts: dict[int, int] = {}
    rest = codes.ravel()
    for _ in range(MOST_COLOURS):
        if rest.size == 0:
            return counts
        code = rest[0]
        other = rest != code
        left = int(np.count_nonzero(other))
        counts[int(code)] = rest.size - left
        rest = rest[other]
    for code, count in zip(*np.unique(rest, return_counts=True), strict=True):
        counts[int(code)] = int(count)
    return counts
