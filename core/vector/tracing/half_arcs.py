"""Half arcs: an arc in one of its two directions, 2 a forwards and 2 a + 1 backwards, and what lies beside it and at its ends."""

from __future__ import annotations

from core.compiling import compiled


@compiled
def arc_of(h):
    """The arc that half arc h runs along."""
    return h >> 1


@compiled
def is_forwards(h):
    """Whether half arc h runs as its arc does."""
    return h & 1 == 0


@compiled
def region_of(h, left, right):
    """The region on the left of half arc h; `h ^ 1` has the one on its right."""
    return left[h >> 1] if h & 1 == 0 else right[h >> 1]


@compiled
def begin_of(h, start, end):
    """The junction that half arc h begins at."""
    return start[h >> 1] if h & 1 == 0 else end[h >> 1]


@compiled
def end_of(h, start, end):
    """The junction that half arc h ends at."""
    return end[h >> 1] if h & 1 == 0 else start[h >> 1]


@compiled
def first_point(h, offsets):
    """The row in `xy` of the first point of half arc h."""
    return offsets[h >> 1] if h & 1 == 0 else offsets[(h >> 1) + 1] - 1


@compiled
def last_point(h, offsets):
    """The row in `xy` of the last point of half arc h."""
    return offsets[(h >> 1) + 1] - 1 if h & 1 == 0 else offsets[h >> 1]
