"""Remedies: corrections that lie beside a data set in `groundline.json` and never change its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.classes import ClassScheme
from core.errors import DatasetError
from core.files import read_json, write_json

REMEDY_FILE = "groundline.json"
_FORMAT = "groundline remedies 1"


@dataclass(frozen=True)
class Remedies:
    """What to do differently when a data set is opened.

    `scheme` replaces the classes; `ignore_colours` ("#RRGGBB") mean "not labelled"; pairs named in `exclude` are left
    out, those in `crop` are cut to the size that image and mask share; `shifts_px` (rows, columns) moves masks;
    `groups` puts pairs into other groups.
    """

    path: Path | None = None
    scheme: ClassScheme | None = None
    ignore_colours: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    crop: tuple[str, ...] = ()
    shifts_px: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)

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
        )

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
        if self.groups:
            value["groups"] = dict(self.groups)
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
        )
    except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise DatasetError(
            f"{path} cannot be understood ({error})", expected="the remedies that Groundline wrote", do="Mend or delete that file"
        ) from error


def apply_remedy(root: Path, remedy: Remedies) -> Path:
    """Add a remedy to those that lie beside the data, and return the remedy file.

    Raises DatasetError when the folder cannot be written to.
    """
    path = Path(root) / REMEDY_FILE
    merged = read_remedies(Path(root)).merged(remedy)
    try:
        return write_json(path, merged.to_dict())
    except OSError as error:
        raise DatasetError(
            f"{root} cannot be written to ({error.strerror})",
            expected="a folder that takes a remedy file",
            do="Copy the data set to a folder of yours",
        ) from error


@dataclass(frozen=True)
class Remedy:
    """A correction that the audit offers: what it does, in words, and what it writes."""

    title: str
    change: Remedies

    def apply(self, root: Path) -> Path:
        """Write the correction beside the data and return the remedy file; see `apply_remedy`."""
        return apply_remedy(root, self.change)
