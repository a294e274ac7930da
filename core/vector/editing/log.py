"""Corrections of a layer by hand: a log of steps that can be undone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError, SettingsError
from core.files import read_json, write_json

FILLS = ("merge", "hole")


@dataclass(frozen=True)
class Step:
    """One correction: polygons `ids` get the class `class_name`, or are deleted when it is None, filled by "merge" or left a "hole"."""

    ids: tuple[int, ...]
    class_name: str | None = None
    fill: str = "merge"

    def text(self) -> str:
        """The step in words."""
        which = f"polygon {self.ids[0]}" if len(self.ids) == 1 else f"{len(self.ids)} polygons"
        if self.class_name is not None:
            return f"{which} to {self.class_name}"
        return f"{which} deleted, {'merged into the neighbour' if self.fill == 'merge' else 'left as a hole'}"


@dataclass(frozen=True)
class Corrections:
    """Steps that count, oldest first, and steps that were undone, the next one to redo last. Every method returns a new object."""

    done: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()

    def __len__(self) -> int:
        return len(self.done)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return bool(self.undone)

    def reclass(self, ids: int | Sequence[int], class_name: str) -> Corrections:
        """Give polygons another class."""
        return self._and(Step(_ids(ids), str(class_name)))

    def delete(self, ids: int | Sequence[int], *, fill: str = "merge") -> Corrections:
        """Take polygons out; fill "merge" gives their place to the neighbour with most shared border, "hole" to nobody."""
        if fill not in FILLS:
            raise SettingsError(f"fill {fill!r}", expected=f"one of {', '.join(FILLS)}", do="Choose what takes the place")
        return self._and(Step(_ids(ids), None, fill))

    def _and(self, step: Step) -> Corrections:
        return Corrections((*self.done, step))

    def undo(self) -> Corrections:
        """Without the last step; the same when there is none."""
        return Corrections(self.done[:-1], (*self.undone, self.done[-1])) if self.done else self

    def redo(self) -> Corrections:
        """With the step that was undone last; the same when there is none."""
        return Corrections((*self.done, self.undone[-1]), self.undone[:-1]) if self.undone else self

    def describe(self) -> list[str]:
        """One line for each step, the newest last."""
        return [step.text() for step in self.done]

    def save(self, path: str | os.PathLike) -> Path:
        """Write the log as JSON, in one step."""
        return write_json(path, {"corrections": [_row(step) for step in self.done], "undone": [_row(step) for step in self.undone]})

    @classmethod
    def load(cls, path: str | os.PathLike) -> Corrections:
        """Read a log; a missing file is an empty one. Raises InputError when it is none."""
        if not Path(path).exists():
            return cls()
        try:
            value = read_json(path)
            return cls(*(tuple(_step(row) for row in value[key]) for key in ("corrections", "undone")))
        except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
            raise InputError(
                f"{Path(path).name} holds no corrections ({type(error).__name__})", expected="a log that Groundline wrote", do="Delete it"
            ) from error


def _ids(ids: int | Iterable[int]) -> tuple[int, ...]:
    ids = tuple(dict.fromkeys(int(one) for one in (ids if isinstance(ids, Iterable) else (ids,))))
    if not ids:
        raise SettingsError("no polygon chosen", expected="at least one id", do="Choose a polygon")
    return ids


def _row(step: Step) -> dict[str, Any]:
    return {"ids": list(step.ids), "class_name": step.class_name, "fill": step.fill}


def _step(row: dict[str, Any]) -> Step:
    name, fill = row["class_name"], row["fill"]
    if fill not in FILLS or not (name is None or isinstance(name, str)) or not row["ids"]:
        raise ValueError(row)
    return Step(tuple(int(one) for one in row["ids"]), name, fill)
