"""Colours for classes: as their names mean, safe for the colour-blind, or just different ones."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from core.colours.meanings import MEANINGS, SAFE, Meaning, meaning_of
from core.colours.space import Colour, lab, mixed, seen, shades

APART = 14.0
"""Difference in CIELAB (CIE 1976) that colours of classes keep from each other, as far as there are no more than `MOST_APART`."""
MOST_APART = 24

_MOST_FREE = 256
_DARKER = 0.45
_HUES: tuple[Colour, ...] = tuple(
    (code >> 16, (code >> 8) & 255, code & 255)
    for code in (
        *(0x4E79A7, 0xF28E2B, 0x59A14F, 0xE15759, 0xB07AA1, 0xEDC948, 0x76B7B2, 0x9C755F, 0xFF9DA7, 0x1B9E77, 0x7570B3, 0xD95F02),
        *(0x66A61E, 0xE7298A, 0xA6761D, 0x1F78B4, 0xB2DF8A, 0x6A3D9A, 0xCAB2D6, 0xB15928, 0x17BECF, 0xBCBD22, 0x8C564B, 0x003F5C),
    )
)


def distinct_colours(count: int) -> list[Colour]:
    """Colours that are easy to tell apart: a fixed list first, then steps around the hue circle; of more than 256, just different ones."""
    if count > _MOST_FREE:
        return [((37 * k + 64) % 256, (k >> 8) % 256, k % 256) for k in range(count)]
    colours = list(_HUES[:count])
    for i in range(count - len(colours)):
        hue = (i * 0.618034) % 1.0
        level = 0.55 + 0.4 * ((i // 16) % 4) / 4
        red, green, blue = _of_hsv(hue, 0.65, level)
        while (red, green, blue) in colours:
            red, blue = (red + 1) % 256, (blue + 2) % 256
        colours.append((red, green, blue))
    return colours


def natural_colours(names: Sequence[str], own: Sequence[Colour], ignored: Iterable[Colour] = ()) -> list[Colour]:
    """A colour for each class: what its name means has the colour that people expect, further ones of one meaning are shades of it.

    A class whose name tells nothing keeps its `own` colour where that is seen on dark and light ground and `APART` from the others, else it
    gets a free one that is far from all. None of them is one of the `ignored`. Beyond 256 classes all keep their own.
    """
    if len(names) > _MOST_FREE:
        return list(own)
    meanings = [meaning_of(name) for name in names]
    taken = _Taken(ignored)
    chosen: dict[int, Colour] = {}
    used: set[str] = set()
    for number, meaning in enumerate(meanings):
        if meaning is not None and meaning.name not in used and taken.leaves(meaning.natural):
            used.add(meaning.name)
            chosen[number] = taken.take(meaning.natural)
    for number, meaning in enumerate(meanings):
        if number not in chosen:
            wanted = [own[number]] if meaning is None else [meaning.natural, *shades(meaning.natural)]
            fitting = (colour for colour in wanted if bool(seen(colour)) and taken.leaves(colour))
            chosen[number] = taken.take(next(fitting, None) or taken.free() or own[number])
    colours = [chosen[number] for number in range(len(names))]
    return colours if len({*colours, *ignored}) == len(colours) + len({*ignored}) else list(own)


def safe_colours(names: Sequence[str], own: Sequence[Colour], ignored: Iterable[Colour] = ()) -> list[Colour]:
    """Okabe and Ito's eight colours, given by the classes' names where those say water, forest and so on, else in turn.

    Up to eight classes that is safe. With more, the rest repeat them darker, and those beyond keep their own.
    """
    ignored = {*ignored}
    darker = [mixed(colour, SAFE[-1], _DARKER) for colour in SAFE[:-1]]
    free = [colour for colour in (*SAFE, *darker) if colour not in ignored]
    chosen: dict[int, Colour] = {}
    for number, name in enumerate(names):
        meaning: Meaning | None = meaning_of(name)
        if meaning is not None and meaning.safe in free:
            free.remove(meaning.safe)
            chosen[number] = meaning.safe
    for number, colour in enumerate(own):
        if number not in chosen:
            chosen[number] = free.pop(0) if free else colour
    colours = [chosen[number] for number in range(len(own))]
    return colours if len({*colours}) == len(colours) else list(own)


def with_own(colours: Sequence[Colour], own: Mapping[int, Colour], ignored: Iterable[Colour] = ()) -> list[Colour]:
    """The colours with some of them, by their number, set by hand; others of just that colour step aside, so that all stay different."""
    taken = _Taken(ignored)
    chosen: dict[int, Colour] = {}
    for number, colour in sorted(own.items()):
        while colour in taken.colours:  # that of another class, or of none: the nearest blue that is free looks alike
            colour = (*colour[:2], colour[2] - 1 if colour[2] else 255)
        chosen[number] = taken.take(colour)
    for number, colour in enumerate(colours):
        if number not in chosen:
            chosen[number] = taken.take((taken.free() or colour) if colour in taken.colours else colour)
    return [chosen[number] for number in range(len(colours))]


def _of_hsv(hue: float, strength: float, level: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, strength, level))
    return red, green, blue


class _Taken:
    """Colours that are in use."""

    def __init__(self, colours: Iterable[Colour]):
        self.colours: set[Colour] = set()
        self._lab: list[np.ndarray] = []
        self._far = np.full(len(_candidates()[0]), np.inf)  # of each candidate, to the nearest colour in use
        for colour in colours:
            self.take(colour)

    def take(self, colour: Colour) -> Colour:
        """Put a colour to use, and return it."""
        if colour not in self.colours:
            self.colours.add(colour)
            self._lab.append(lab(colour))
            self._far = np.minimum(self._far, np.linalg.norm(_candidates()[1] - self._lab[-1], axis=1))
        return colour

    def leaves(self, colour: Colour) -> bool:
        """Whether a colour is far enough from all that are in use."""
        return not self._lab or bool(np.linalg.norm(np.array(self._lab) - lab(colour), axis=1).min() >= APART)

    def free(self) -> Colour | None:
        """The colour farthest from all in use, and from those that mean something where that leaves enough; None where none is left."""
        candidates, _, from_meanings = _candidates()
        best = int(np.minimum(self._far, from_meanings).argmax())
        if min(self._far[best], from_meanings[best]) < APART:
            best = int(self._far.argmax())
        return candidates[best] if self._far[best] > 0 else None


@lru_cache(maxsize=1)
def _candidates() -> tuple[list[Colour], np.ndarray, np.ndarray]:
    """Colours all around the hue circle that are seen on dark and light ground, their CIELAB (n, 3), and how far each is from those that
    mean something (n,)."""
    wheel = [_of_hsv(hue / 36, strength, level) for hue in range(36) for strength in (0.9, 0.6, 0.35) for level in (0.95, 0.8, 0.6, 0.4)]
    kept = [colour for colour in dict.fromkeys(wheel) if bool(seen(colour))]
    places = lab(kept)
    meant = lab([meaning.natural for meaning in MEANINGS])
    return kept, places, np.linalg.norm(places[:, None] - meant[None], axis=2).min(axis=1)
