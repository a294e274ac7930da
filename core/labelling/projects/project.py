"""A scene that is being labelled, on disk: its classes, what was painted and agreed to, and an undo without end.

Every step is a line that is added to a log before it counts, so nothing is lost when a browser, the server or the machine dies;
the state is what the log gives when it is read from its beginning.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

from core.digests import digest_of
from core.errors import GroundlineError, InputError
from core.files import read_json, write_json
from core.labelling.projects.painting import Painting, read_class, refuse_double
from core.reading.readable import read_record, reason
from core.scenes.opening import open_scene
from core.scenes.scene import Scene

PROJECT_FILE, STEPS_FILE, STROKES_FILE, AREA_FILE = "labelling.json", "steps.jsonl", "strokes.geojson", "area.geojson"


class _Written(TypedDict):
    """What `labelling.json` holds: the scene, what is started from, the classes to begin with, and the ids of those `of_model`."""

    scene: str
    model: str | None
    prediction: str | None
    classes: list[dict[str, Any]]
    of_model: list[int]


class LabelProject:
    """The folder of one scene that is being labelled. All methods may be called from several threads."""

    def __init__(self, folder: Path, written: _Written):
        self.folder, self.scene_path = folder, Path(written["scene"])
        self.model = written["model"]
        self.prediction = Path(written["prediction"]) if written["prediction"] else None
        self.of_model = tuple(written["of_model"])
        self._begun = Painting(tuple(read_class(one) for one in written["classes"]))
        self._lock = threading.RLock()
        self._done: list[dict[str, Any]] = []
        self._undone: list[dict[str, Any]] = []
        self.labels = self._begun
        self.revision = 0
        for step in _read_steps(folder / STEPS_FILE):
            self._take(step)

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike,
        scene: Path,
        classes: Sequence[tuple[str, str]],
        *,
        model: str | None = None,
        prediction: Path | None = None,
        of_model: int = 0,
    ) -> LabelProject:
        """Begin to label a scene with classes (name, "#RRGGBB"), the first `of_model` of which are those of `prediction`, in its order.

        Raises InputError where there is a project already, ClassesError.
        """
        folder = Path(folder)
        if (folder / PROJECT_FILE).exists():
            raise InputError(f"{folder.name} is being labelled already", expected="a new name", do="Open it, or choose another name")
        begun = [{"id": number, "name": name, "colour": colour} for number, (name, colour) in enumerate(classes)]
        refuse_double(tuple(read_class(one) for one in begun))
        told = {"scene": str(scene), "model": model, "prediction": None if prediction is None else str(prediction)}
        write_json(folder / PROJECT_FILE, told | {"classes": begun, "of_model": list(range(of_model))})
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | os.PathLike) -> LabelProject:
        """Open a project with all that was painted. Raises InputError when the folder holds none."""
        folder = Path(folder)
        try:
            return cls(folder, read_record(folder / PROJECT_FILE, _Written))
        except (OSError, ValueError, KeyError, TypeError, GroundlineError) as error:
            raise InputError(
                f"{folder.name} holds no labels ({reason(error)})",
                expected=f"a folder with {PROJECT_FILE}",
                do="Begin to label the scene anew",
            ) from error

    @property
    def name(self) -> str:
        """What people call it."""
        return self.folder.name

    def scene(self) -> Scene:
        """The scene that is labelled. Raises SceneError where it is not there any more."""
        return open_scene(self.scene_path)

    def start_from(self, prediction: Path) -> None:
        """Start from the answer of this project's model, once it is there."""
        with self._lock:
            write_json(self.folder / PROJECT_FILE, read_json(self.folder / PROJECT_FILE) | {"prediction": str(prediction)})
            self.prediction = prediction

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether a step was undone and none was done since."""
        return bool(self._undone)

    def do(self, step: Mapping[str, Any]) -> Painting:
        """Do one step, or "undo" or "redo" one, after it is written down. Raises InputError, ClassesError, and then nothing has changed."""
        with self._lock:
            kept = (list(self._done), list(self._undone), self.labels, self.revision)
            try:
                self._take(dict(step))
                _write_step(self.folder / STEPS_FILE, step)
            except BaseException:
                self._done, self._undone, self.labels, self.revision = kept
                raise
            return self.labels

    def _take(self, step: dict[str, Any]) -> None:
        if step.get("do") == "undo":
            if self._done:
                self._undone.append(self._done.pop())
                self.labels = self._replayed()
        elif step.get("do") == "redo":
            if self._undone:
                self._done.append(self._undone.pop())
                self.labels = self.labels.after(self._done[-1])
        else:
            self.labels = self.labels.after(step)
            self._done.append(step)
            self._undone.clear()
        self.revision += 1

    def _replayed(self) -> Painting:
        labels = self._begun
        for step in self._done:
            labels = labels.after(step)
        return labels

    @property
    def digest(self) -> str:
        """A text that changes with everything that can be undone."""
        labels = self.labels
        return digest_of(labels.classes, labels.painted, labels.agreed, labels.area, sorted(labels.into.items()))


def _read_steps(path: Path) -> list[dict[str, Any]]:
    """The log's steps. A line that a crash cut off is passed over: its step never counted."""
    steps = []
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else ():
        with suppress(ValueError):
            steps.append(json.loads(line))
    return steps


def _write_step(path: Path, step: Mapping[str, Any]) -> None:
    line = json.dumps(step, separators=(",", ":"), allow_nan=False) + "\n"
    with path.open("a+b") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 1))
        cut_off = log.read(1) not in (b"", b"\n")
        log.write((b"\n" if cut_off else b"") + line.encode())
