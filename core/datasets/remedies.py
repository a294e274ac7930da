"""Remedies: corrections that lie beside a data set in `groundline.json` and never change its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.claims import in_turn
from core.classes import ClassScheme
from core.errors import DatasetError
from core.files import read_json, write_json

REMEDY_FILE = "groundline.json"
_FORMAT = "groundline remedies 1"


@dataclass(frozen=True)
class Remedies:
    """What to do differently when a data set is opened.

    `scheme` replaces the classes; `ignore_colours` ("#RRGGBB") mean "not labelled"; pairs named in `exclude` are left
    out, those in `crop` are cut to the size that image and mask share; `shifts_px` (rows, columns) moves masks; `grid` says for
    masks on another grid than their image whether to "warp" them or to take them as they are ("pixels"); `groups` puts pairs into
    other groups. `snap` takes colours and values that are no class as the nearest class. `images` and `masks` are patterns of files
    below the folder; `alpha` says what a band that files mark as transparency is ("band", "transparency").
    """

    path: Path | None = None
    scheme: ClassScheme | None = None
    ignore_colours: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    crop: tuple[str, ...] = ()
    shifts_px: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    grid: Mapping[str, str] = field(default_factory=dict)
    snap: bool = False
    images: str = ""
    masks: str = ""
    alpha: str = ""

    def merged(self, other: Remedies) -> Remedies:
        """These remedies and those of `other`, which wins where both speak."""
        return replace(
            self,
            scheme=other.scheme or self.scheme,
            ignore_colours=tuple(dict.fromkeys((*self.ignore_colours, *other.ignore_colours))),
            exclude=tuple(dict.fromkeys((*self.exclude, *other.exclude))),
            crop=tuple(dict.fromkeys((*self.crop, *other.crop))),
            shifts_px={**self.shifts_px, **other.shifts_px},
            groups={**self.groups, **other.groups},
            grid={**self.grid, **other.grid},
            snap=self.snap or other.snap,
            images=other.images or self.images,
            masks=other.masks or self.masks,
            alpha=other.alpha or self.alpha,
        )

    def without(self, other: Remedies) -> Remedies:
        """These remedies without what `other` says: the opposite of `merged`, as far as the two agree."""
        return replace(
            self,
            scheme=None if other.scheme == self.scheme else self.scheme,
            ignore_colours=tuple(colour for colour in self.ignore_colours if colour not in other.ignore_colours),
            exclude=tuple(name for name in self.exclude if name not in other.exclude),
            crop=tuple(name for name in self.crop if name not in other.crop),
            shifts_px={name: shift for name, shift in self.shifts_px.items() if other.shifts_px.get(name) != shift},
            groups={name: group for name, group in self.groups.items() if other.groups.get(name) != group},
            grid={name: how for name, how in self.grid.items() if other.grid.get(name) != how},
            snap=self.snap and not other.snap,
            images="" if other.images == self.images else self.images,
            masks="" if other.masks == self.masks else self.masks,
            alpha="" if other.alpha == self.alpha else self.alpha,
        )

    def steps(self) -> list[Remedy]:
        """The remedies one kind at a time, each with a sentence, so that each can be taken back."""
        found = []
        if self.images or self.masks:
            found.append(Remedy(f"Images are {self.images}, masks are {self.masks}.", Remedies(images=self.images, masks=self.masks)))
        if self.alpha:
            found.append(Remedy(f"A band that is marked as transparency is read as {self.alpha}.", Remedies(alpha=self.alpha)))
        if self.snap:
            found.append(Remedy("Colours and values that are no class are read as the nearest class.", Remedies(snap=True)))
        if self.scheme is not None:
            found.append(Remedy(f"The classes are {', '.join(self.scheme.names)}.", Remedies(scheme=self.scheme)))
        for colour in self.ignore_colours:
            found.append(Remedy(f"The colour {colour} means not labelled.", Remedies(ignore_colours=(colour,))))
        if self.exclude:
            found.append(Remedy(f"Left out: {_named(self.exclude)}.", Remedies(exclude=self.exclude)))
        if self.crop:
            found.append(Remedy(f"Cut to the size that image and mask share: {_named(self.crop)}.", Remedies(crop=self.crop)))
        if self.shifts_px:
            found.append(Remedy(f"Mask moved: {_named(tuple(self.shifts_px))}.", Remedies(shifts_px=self.shifts_px)))
        for how in dict.fromkeys(self.grid.values()):
            own = {name: its for name, its in self.grid.items() if its == how}
            words = (
                "Brought to the image's grid by its nearest pixels" if how == "warp" else "Taken pixel for pixel, wherever it says it lies"
            )
            found.append(Remedy(f"{words}: {_named(tuple(own))}.", Remedies(grid=own)))
        for group in dict.fromkeys(self.groups.values()):
            own = {name: its for name, its in self.groups.items() if its == group}
            found.append(Remedy(f"Put into the group {group}: {_named(tuple(own))}.", Remedies(groups=own)))
        return found

    def to_dict(self) -> dict[str, Any]:
        """The remedies as plain values; what says nothing is left out."""
        value: dict[str, Any] = {"format": _FORMAT}
        if self.scheme is not None:
            value["classes"] = self.scheme.to_dict()
        for key in ("ignore_colours", "exclude", "crop"):
            if getattr(self, key):
                value[key] = list(getattr(self, key))
        if self.shifts_px:
            value["shifts_px"] = {name: list(shift) for name, shift in self.shifts_px.items()}
        for key in ("groups", "grid"):
            if getattr(self, key):
                value[key] = dict(getattr(self, key))
        for key in ("snap", "images", "masks", "alpha"):
            if getattr(self, key):
                value[key] = getattr(self, key)
        return value


def read_remedies(root: Path) -> Remedies:
    """The remedies that lie in a data set's folder; empty ones where there are none.

    Raises DatasetError when `groundline.json` cannot be understood: ignoring it would silently undo the user's work.
    """
    path = root / REMEDY_FILE
    if not path.is_file():
        return Remedies()
    try:
        value = read_json(path)
        return Remedies(
            path=path,
            scheme=ClassScheme.from_dict(value["classes"]) if value.get("classes") else None,
            ignore_colours=tuple(str(colour) for colour in value.get("ignore_colours", ())),
            exclude=tuple(str(name) for name in value.get("exclude", ())),
            crop=tuple(str(name) for name in value.get("crop", ())),
            shifts_px={str(k): (int(v[0]), int(v[1])) for k, v in value.get("shifts_px", {}).items()},
            groups={str(k): str(v) for k, v in value.get("groups", {}).items()},
            grid={str(k): _one_of(v, ("warp", "pixels")) for k, v in value.get("grid", {}).items()},
            snap=bool(value.get("snap", False)),
            images=str(value.get("images", "")),
            masks=str(value.get("masks", "")),
            alpha=_one_of(value.get("alpha", ""), ("", "band", "transparency")),
        )
    except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise DatasetError(
            f"{path} cannot be understood ({error})", expected="the remedies that Groundline wrote", do="Mend or delete that file"
        ) from error


def _one_of(value: Any, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError(f"{value!r} instead of {' or '.join(word for word in words if word)}")
    return value


def apply_remedy(root: Path, remedy: Remedies) -> Path:
    """Add a remedy to those that lie beside the data, and return the remedy file.

    Raises DatasetError when the folder cannot be written to.
    """
    return _change(Path(root), lambda there: there.merged(remedy))


def take_back(root: Path, remedy: Remedies) -> Path:
    """Take a remedy out of those that lie beside the data, and return the remedy file, gone when nothing is left.

    Raises DatasetError when the folder cannot be written to.
    """
    return _change(Path(root), lambda there: there.without(remedy))


def _change(root: Path, change: Callable[[Remedies], Remedies]) -> Path:
    # Two who correct one data set at once must not take each other's correction for none.
    with in_turn(root / REMEDY_FILE, foreign=True):
        return _write(root, change(read_remedies(root)))


def _write(root: Path, remedies: Remedies) -> Path:
    path = root / REMEDY_FILE
    try:
        if remedies.steps():
            return write_json(path, remedies.to_dict())
        path.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{root} cannot be written to ({error.strerror})",
            expected="a folder that takes a remedy file",
            do="Copy the data set to a folder of yours",
        ) from error
    return path


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


@dataclass(frozen=True)
class Remedy:
    """A correction that the audit offers: what it does, in words, and what it writes."""

    title: str
    change: Remedies

    def apply(self, root: Path) -> Path:
        """Write the correction beside the data and return the remedy file; see `apply_remedy`."""
        return apply_remedy(root, self.change)

    def take_back(self, root: Path) -> Path:
        """Undo the correction and return the remedy file; see `take_back`."""
        return take_back(root, self.change)
