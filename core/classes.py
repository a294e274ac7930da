"""Class names, colours and ids, and the way between a mask file's pixels and class ids."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.colours.choosing import distinct_colours, natural_colours, safe_colours, with_own
from core.colours.space import Colour
from core.errors import ClassesError, SettingsError
from core.files import read_json

IGNORED_ID = 255
NATURAL, AS_MASKS, SAFE_COLOURS = "natural", "masks", "safe"
COLOURINGS = {NATURAL: "Natural", AS_MASKS: "As in the masks", SAFE_COLOURS: "Colour-blind safe"}
"""In which colours classes can be shown, and what people read of it."""
_GREY: Colour = (155, 155, 155)
_LONGEST_NAME = 80
_TABLE_SUFFIXES = (".csv", ".txt")
_UNLABELLED_NAMES = {"unlabeled", "unlabelled", "ignore", "ignored", "void", "nodata", "no data"}


@dataclass(frozen=True)
class ClassScheme:
    """The classes of a data set: class id = position in `names`.

    `ignored_colours` are declared colours that mean "nobody labelled this": they become `ignored_id` like unknown
    colours do, but are not reported as strangers. `values` holds the integer of each class in single-band masks where
    it differs from the class id. `model_names` are the names that classes have where they come from, where they were `renamed`.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    ignored_id: int = IGNORED_ID
    ignored_names: tuple[str, ...] = ("Unlabeled",)
    ignored_colours: tuple[Colour, ...] = (_GREY,)
    values: tuple[int, ...] | None = None
    model_names: tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "colours", tuple(tuple(int(v) for v in c) for c in self.colours))
        object.__setattr__(self, "ignored_names", tuple(self.ignored_names))
        object.__setattr__(self, "ignored_colours", tuple(tuple(int(v) for v in c) for c in self.ignored_colours))
        if self.values is not None:
            object.__setattr__(self, "values", tuple(int(v) for v in self.values))
        self._check()

    def _check(self) -> None:
        count = len(self.names)
        if not 1 <= count <= self.ignored_id:
            raise ClassesError(f"{count} classes", expected=f"1 to {self.ignored_id}", do="List the classes to learn")
        if len(self.colours) != count:
            raise ClassesError(
                f"{count} class names but {len(self.colours)} colours", expected="one colour for each class", do="Complete the class list"
            )
        if len(set(self.names)) != count:
            raise ClassesError(f"class names {list(self.names)}", expected="each name once", do="Rename the double ones")
        everything = self.colours + self.ignored_colours
        if len(set(everything)) != len(everything):
            raise ClassesError(
                f"colours {[to_hex(c) for c in everything]}", expected="each colour once", do="Give each class a colour of its own"
            )
        if self.values is not None and (len(self.values) != count or len(set(self.values)) != count):
            raise ClassesError(f"mask values {list(self.values)}", expected=f"{count} different integers", do="Give each class one value")

    @classmethod
    def unnamed(cls, count: int) -> ClassScheme:
        """Classes "Class 0", "Class 1", ... that nobody named, in colours that are easy to tell apart."""
        return cls(tuple(f"Class {k}" for k in range(count)), tuple(distinct_colours(count)), ignored_id=max(IGNORED_ID, count))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def mask_values(self) -> tuple[int, ...]:
        """The integer of each class in masks of one band: its own value, or the class id."""
        return self.values if self.values is not None else tuple(range(len(self)))

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of the data set or model, by which classes are known and coloured."""
        return self.names if self.model_names is None else self.model_names

    @property
    def called(self) -> dict[str, str]:
        """The name of each renamed class by its own one."""
        return {own: name for own, name in zip(self.own_names, self.names, strict=True) if own != name}

    def renamed(self, called: Mapping[str, str]) -> ClassScheme:
        """The same classes called otherwise, by their own names, to be looked at; their colours stay.

        What reads or writes masks keeps the names that they have. Raises ClassesError for a class that there is not, and a name that is
        empty, too long or another class's.
        """
        strange = sorted(set(called) - set(self.own_names))
        if strange:
            raise ClassesError(f"no class {strange[0]!r}", expected=f"one of {', '.join(self.own_names[:20])}", do="Choose one of them")
        names = [called.get(own, own) for own in self.own_names]
        for name in names:
            if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
                found = "no name" if not name.strip() else f"the name {name[:40]!r}"
                raise ClassesError(found, expected=f"1 to {_LONGEST_NAME} letters", do="Type what the class is called")
            if sum(name.casefold() == other.casefold() for other in names) > 1 and name in called.values():
                raise ClassesError(f"{name!r}, which another class is called", expected="a name of its own", do="Type another one")
        return replace(self, names=tuple(names), model_names=self.own_names)

    def hex(self, class_id: int) -> str:
        """Colour of a class as "#RRGGBB"; grey for the ignored id."""
        return to_hex(self.colours[class_id] if class_id < len(self) else self._ignored_colour)

    def coloured(self, how: str, own: Mapping[str, Colour] | None = None) -> ClassScheme:
        """The same classes in other colours, to be looked at: one of `COLOURINGS`, and `own` colours of some names set by hand.

        What reads or writes masks keeps the colours that they have. Raises SettingsError for a colouring that there is not.
        """
        if how not in COLOURINGS:
            raise SettingsError(f"colours {how!r}", expected=f"one of {', '.join(COLOURINGS)}", do="Choose one of them")
        return _coloured(self, how, tuple(sorted((own or {}).items())))

    def natural(self) -> ClassScheme:
        """The same classes in the colours that their names mean, water blue and so on; see `natural_colours`."""
        return self.coloured(NATURAL)

    def colour_blind_safe(self) -> ClassScheme:
        """The same classes in colours that people with a colour vision deficiency tell apart; see `safe_colours`."""
        return self.coloured(SAFE_COLOURS)

    @property
    def _ignored_colour(self) -> Colour:
        return self.ignored_colours[0] if self.ignored_colours else _GREY

    def encode(self, rgb: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
        """Class ids (h, w) uint8 of a colour-coded mask (h, w, 3) uint8, and the pixels of each colour that is no class.

        An unknown colour becomes the ignored id and is counted; it never becomes a class.
        """
        if rgb.ndim != 3 or rgb.shape[2] < 3:
            raise ClassesError(
                f"a mask of shape {rgb.shape}", expected="(height, width, 3) colours", do="Open it as integer ids if it has one band"
            )
        packed = pack(rgb)
        ids = np.full(packed.shape, self.ignored_id, np.uint8)
        known = np.zeros(packed.shape, bool)
        for class_id, colour in enumerate(self.colours):
            hit = packed == pack(colour)
            ids[hit] = class_id
            known |= hit
        for colour in self.ignored_colours:
            known |= packed == pack(colour)
        if known.all():
            return ids, {}
        codes, counts = np.unique(packed[~known], return_counts=True)
        return ids, {f"#{int(code):06X}": int(count) for code, count in zip(codes, counts, strict=True)}

    def encode_values(self, values: np.ndarray) -> tuple[np.ndarray, dict[int, int]]:
        """Class ids (h, w) uint8 of a mask (h, w) of integers, and the pixels of each value that is no class."""
        wanted = self.mask_values
        ids = np.full(values.shape, self.ignored_id, np.uint8)
        known = values == self.ignored_id
        for class_id, value in enumerate(wanted):
            hit = values == value
            ids[hit] = class_id
            known |= hit
        if known.all():
            return ids, {}
        strangers, counts = np.unique(values[~known], return_counts=True)
        return ids, {int(value): int(count) for value, count in zip(strangers, counts, strict=True)}

    def decode(self, ids: np.ndarray) -> np.ndarray:
        """Colours (h, w, 3) uint8 of class ids (h, w) uint8; every id that is no class takes the ignored colour."""
        return self.table()[ids]

    def table(self) -> np.ndarray:
        """Colour of each of the 256 possible ids, uint8 (256, 3)."""
        table = np.tile(np.array(self._ignored_colour, np.uint8), (256, 1))
        table[: len(self)] = np.array(self.colours, np.uint8)
        return table

    def to_dict(self) -> dict[str, Any]:
        """The scheme as plain values, for JSON."""
        classes: list[dict[str, Any]] = [
            {"name": name, "colour": to_hex(colour)} for name, colour in zip(self.names, self.colours, strict=True)
        ]
        if self.values is not None:
            for item, value in zip(classes, self.values, strict=True):
                item["value"] = value
        ignored = [
            {"name": self.ignored_names[min(i, len(self.ignored_names) - 1)] if self.ignored_names else "Unlabeled", "colour": to_hex(c)}
            for i, c in enumerate(self.ignored_colours)
        ]
        return {"classes": classes, "ignored": ignored, "ignored_id": self.ignored_id}

    def labelled(self) -> ClassScheme:
        """The same, with a class named Unlabeled (or ignore, void, nodata) as an ignored one."""
        kept = [class_id for class_id, name in enumerate(self.names) if not _means_unlabelled(name)]
        left = [class_id for class_id in range(len(self)) if class_id not in kept]
        return replace(
            self,
            names=tuple(self.names[class_id] for class_id in kept),
            colours=tuple(self.colours[class_id] for class_id in kept),
            ignored_names=(*(self.names[class_id] for class_id in left), *self.ignored_names),
            ignored_colours=(*(self.colours[class_id] for class_id in left), *self.ignored_colours),
            values=None if self.values is None else tuple(self.values[class_id] for class_id in kept),
        )

    @classmethod
    def from_dict(cls, value: dict[str, Any], *, every: bool = False) -> ClassScheme:
        """Read our own form, or the `classes.json` form that the Dubai set ships with ({"title", "color"}).

        A class named Unlabeled (or ignore, void, nodata) is taken as the ignored one, unless the list says itself which are
        ignored, as ours do, or `every` class is one.
        """
        try:
            return cls._from_dict(value, every=every or (isinstance(value, dict) and "ignored" in value))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise ClassesError(
                f"a class list that lacks {error}" if isinstance(error, KeyError) else f"a class list that is none ({error})",
                expected='{"classes": [{"name": "Road", "colour": "#6EC1E4"}, ...]}',
                do="Mend the class file",
            ) from error

    @classmethod
    def _from_dict(cls, value: dict[str, Any], *, every: bool) -> ClassScheme:
        names, colours, values, ignored, places = [], [], [], [], []
        if not isinstance(value, dict) or not isinstance(value["classes"], list):
            raise ClassesError(
                "a class list that is a bare list", expected='{"classes": [{"name": ..., "colour": ...}]}', do="Mend the class file"
            )
        for place, item in enumerate(value["classes"]):
            name = str(item["name"] if "name" in item else item["title"])
            colour = from_hex(item["colour"] if "colour" in item else item["color"])
            if not every and _means_unlabelled(name):
                ignored.append((name, colour))
                continue
            names.append(name)
            colours.append(colour)
            places.append(place)
            told = next((item[key] for key in ("value", "id") if isinstance(item.get(key), int)), None)
            if told is not None:
                values.append(told)
        ignored += [(str(item["name"]), from_hex(item["colour"])) for item in value.get("ignored", [])]
        return cls(
            names=tuple(names),
            colours=tuple(colours),
            ignored_id=int(value.get("ignored_id", IGNORED_ID)),
            ignored_names=tuple(name for name, _ in ignored),
            ignored_colours=tuple(colour for _, colour in ignored),
            values=_values(values, places, len(value["classes"])),
        )

    @classmethod
    def load(cls, path: str | os.PathLike, *, every: bool = False) -> ClassScheme:
        """Read a class file; `every` as for `from_dict`. Raises ClassesError when it is none.

        JSON, ours or the Dubai set's; or a table of names and colours as public sets have it: `name,r,g,b` with a heading
        (class_dict.csv), `name:r,g,b` (CVAT's labelmap.txt), `r g b name` (CamVid's label_colors.txt).
        """
        path = Path(path)
        try:
            value: Any = {"classes": _read_table(path)} if path.suffix.lower() in _TABLE_SUFFIXES else read_json(path)
        except (OSError, ValueError) as error:
            raise ClassesError(
                f"no readable class file at {path} ({error})",
                expected="a class list in JSON, or a table of names and colours",
                do="Give another file",
            ) from error
        return cls.from_dict(value, every=every)


@lru_cache(maxsize=128)
def _coloured(scheme: ClassScheme, how: str, own: tuple[tuple[str, Colour], ...]) -> ClassScheme:
    """`ClassScheme.coloured`, computed once: pages ask for it at every turn."""
    given = scheme.own_names, scheme.colours, scheme.ignored_colours
    colours = {NATURAL: natural_colours, SAFE_COLOURS: safe_colours}[how](*given) if how != AS_MASKS else list(scheme.colours)
    by_hand = {scheme.own_names.index(name): colour for name, colour in own if name in scheme.own_names}
    if by_hand:
        colours = with_own(colours, by_hand, scheme.ignored_colours)
    return replace(scheme, colours=tuple(colours))


def _values(told: list[int], places: list[int], lines: int) -> tuple[int, ...] | None:
    """The masks' values of the classes of a list: as it tells them, else their places where some of its lines are no class."""
    if told:
        return None if told == list(range(len(told))) else tuple(told)
    return tuple(places) if len(places) < lines and places != list(range(len(places))) else None


def _read_table(path: Path) -> list[dict[str, str]]:
    """Names and colours of a text file with a class in each line. Raises ValueError for a line that is none, and for a file without any."""
    found: list[dict[str, str]] = []
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        words = [word for word in re.split(r"[,;:\t ]+", line.strip()) if word]
        numbers = [word for word in words if word.isdigit() and int(word) <= 255]
        name = " ".join(
            word for word in re.split(r"[,;:\t]+| (?=\d)|(?<=\d) ", line.strip()) if word and not word.strip().isdigit()
        ).strip()
        if not words or line.lstrip().startswith("#") or (not numbers and not found):
            continue  # empty, a remark, or the heading
        if len(numbers) != 3 or not name:
            raise ValueError(f"the line {line.strip()[:60]!r}")
        red, green, blue = map(int, numbers)
        found.append({"name": name, "colour": to_hex((red, green, blue))})
    if not found:
        raise ValueError("no line with a name and three numbers")
    return found


def _means_unlabelled(name: str) -> bool:
    return name.strip().lower() in _UNLABELLED_NAMES


def pack(rgb: npt.ArrayLike) -> np.ndarray:
    """One integer per pixel, uint32 (h, w), from colours (h, w, 3 or more) uint8: red in the highest byte; for a single colour, one."""
    channels = np.asarray(rgb)[..., :3].astype(np.uint32)
    return (channels[..., 0] << 16) | (channels[..., 1] << 8) | channels[..., 2]


def unpack(code: int) -> Colour:
    """The colour of a code that `pack` makes."""
    return (code >> 16) & 255, (code >> 8) & 255, code & 255


def to_hex(colour: Colour) -> str:
    """(226, 169, 41) -> "#E2A929"."""
    return "#{:02X}{:02X}{:02X}".format(*colour)


def from_hex(text: str) -> Colour:
    """ "#E2A929" -> (226, 169, 41). Raises ClassesError when it is no colour."""
    if not isinstance(text, str) or not re.fullmatch(r"#?[0-9a-fA-F]{6}", text.strip()):
        raise ClassesError(f"{text!r} as a colour", expected="#RRGGBB", do="Mend the class file")
    digits = text.strip().lstrip("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


DUBAI = ClassScheme(
    names=("Building", "Land", "Road", "Vegetation", "Water"),
    colours=((0x3C, 0x10, 0x98), (0x84, 0x29, 0xF6), (0x6E, 0xC1, 0xE4), (0xFE, 0xDD, 0x3A), (0xE2, 0xA9, 0x29)),
)
"""Palette of the Dubai set's description (Humans in the Loop, MBRSC); its sixth class, Unlabeled #9B9B9B, is the ignored one."""
