"""The project and the user's workspace: one folder that holds jobs and all that they make, and a trash that gives things back."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from core.errors import JobError
from core.files import is_name, write_json
from core.reading.readable import read_record, reason

PROJECT = Path(__file__).resolve().parents[1]
"""The checkout that holds `core/`; the folder of packages where the library alone is installed."""
STATIC = PROJECT / "static"
"""What browsers are given as it is; missing where the library alone is installed."""
MODELS = PROJECT / "models"
"""The shipped models; missing where the library alone is installed."""
WORKSPACE_VARIABLE = "GROUNDLINE_WORKSPACE"
_CONTENTS = "trash.json"


class _Moved(TypedDict("_Moved", {"from": str})):
    """Where something lay, and under which name the trash holds it."""

    stored: str


class _Thrown(TypedDict):
    """What the trash says about a thing that was deleted."""

    label: str
    time: float
    moved: list[_Moved]


@dataclass(frozen=True)
class Workspace:
    """A folder with a place for each kind of thing; the places are made when first asked for."""

    root: Path

    def __post_init__(self):
        object.__setattr__(self, "root", Path(self.root).expanduser().resolve())

    @property
    def runs(self) -> Path:
        """Job folders, one per job."""
        return self._place("runs")

    @property
    def prepared(self) -> Path:
        """Patch stores."""
        return self._place("prepared")

    @property
    def models(self) -> Path:
        """Models that the user trained."""
        return self._place("models")

    @property
    def predictions(self) -> Path:
        """Prediction folders."""
        return self._place("predictions")

    @property
    def evaluations(self) -> Path:
        """Evaluations of models, and comparisons of two of them."""
        return self._place("evaluations")

    @property
    def certified(self) -> Path:
        """What people answered at points of predictions."""
        return self._place("certified")

    @property
    def layers(self) -> Path:
        """Vector layers and their exports."""
        return self._place("layers")

    @property
    def searches(self) -> Path:
        """Searches over learning rate and batch size."""
        return self._place("searches")

    @property
    def exports(self) -> Path:
        """Models written for other programs."""
        return self._place("exports")

    @property
    def labelling(self) -> Path:
        """Scenes that are being labelled, and what was painted on them."""
        return self._place("labelling")

    @property
    def labels(self) -> Path:
        """Data sets whose masks people made here: painted scenes, and layers corrected by hand."""
        return self._place("labels")

    @property
    def features(self) -> Path:
        """What was computed of scenes that are painted, by tile; made anew where it is missing."""
        return self._place("features")

    @property
    def uploads(self) -> Path:
        """Files that came in through the browser."""
        return self._place("uploads")

    @property
    def remote(self) -> Path:
        """Pictures of other machines: their addresses, what was fetched whole, and what was put together of tiles."""
        return self._place("remote")

    @property
    def trash(self) -> Path:
        """What was deleted and can still be given back."""
        return self._place("trash")

    def _place(self, name: str) -> Path:
        place = self.root / name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def holds(self, path: str | os.PathLike) -> bool:
        """Whether `path` lies inside one of the workspace's places, so that the workspace may move it."""
        try:
            path = Path(path).resolve()
        except (OSError, RuntimeError, ValueError):  # links in a circle, a zero byte
            return False
        return self.root in path.parents and path.parent != self.root

    def discard(self, paths: Iterable[str | os.PathLike], *, label: str) -> str:
        """Move files or folders of the workspace to the trash and return the trash id that `restore` takes.

        Paths that do not exist are passed over. Raises `JobError` when a path lies outside the workspace.
        """
        existing = [Path(path).resolve() for path in paths if Path(path).exists()]
        for path in existing:
            if not self.holds(path):
                raise JobError(
                    f"{path} lies outside the workspace {self.root}",
                    expected="a file or folder that the workspace made",
                    do="Delete it by hand if it is to go",
                )
        trash_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        bin_folder = self.trash / trash_id
        bin_folder.mkdir()
        moved = [{"from": path.relative_to(self.root).as_posix(), "stored": f"{i}"} for i, path in enumerate(existing)]
        # The list is written before anything moves: an interrupted move can then still be undone.
        write_json(bin_folder / _CONTENTS, {"label": label, "time": time.time(), "moved": moved})
        for entry in moved:
            shutil.move(self.root / entry["from"], bin_folder / entry["stored"])
        return trash_id

    def restore(self, trash_id: str) -> list[Path]:
        """Put what `discard` moved back where it was and return its paths.

        Raises `JobError` when the trash holds no such id, or when the place was taken meanwhile.
        """
        bin_folder = self.trash / trash_id
        if not (bin_folder / _CONTENTS).is_file():
            raise JobError(
                f"nothing named {trash_id!r} in the trash",
                expected="the id of something deleted and not yet restored",
                do="Look at the list of deleted things",
            )
        pending = [
            (bin_folder / entry["stored"], self.root / entry["from"])
            for entry in self._thrown(bin_folder)["moved"]
            if os.path.exists(bin_folder / entry["stored"])
        ]
        for _, place in pending:
            if os.path.exists(place):
                raise JobError(
                    f"{place} exists again",
                    expected="its old place to be free",
                    do="Rename or delete what is there now, then undo again",
                )
        for stored, place in pending:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(stored, place)
        if [item.name for item in bin_folder.iterdir()] == [_CONTENTS]:  # else the list names what it holds wrongly
            shutil.rmtree(bin_folder, ignore_errors=True)
        return [place for _, place in pending]

    def trashed(self) -> list[dict[str, Any]]:
        """What can be restored, latest first: dicts with id, label, time (unix seconds) and paths.

        What cannot be, since its list is damaged, has no paths and says so in its label.
        """
        found: list[dict[str, Any]] = []
        for contents in self.trash.glob(f"*/{_CONTENTS}"):
            name = contents.parent.name
            try:
                entry = self._thrown(contents.parent)
            except JobError as error:
                found.append({"id": name, "label": f"{name}: {error.found}", "time": contents.lstat().st_mtime, "paths": []})
                continue
            paths = [self.root / moved["from"] for moved in entry["moved"]]
            found.append({"id": name, "label": entry["label"], "time": entry["time"], "paths": paths})
        return sorted(found, key=lambda entry: entry["time"], reverse=True)

    def _thrown(self, bin_folder: Path) -> _Thrown:
        """What a folder of the trash says that it holds. Raises JobError for a list that is damaged, or names places outside."""
        try:
            entry: _Thrown = read_record(bin_folder / _CONTENTS, _Thrown)
        except (OSError, ValueError) as error:
            wrong = reason(error)
        else:
            wrong = self._wrong_with(entry["moved"])
            if not wrong:
                return entry
        raise JobError(
            f"a list of deleted files that cannot be read ({wrong})",
            expected=f"the {_CONTENTS} that was written",
            do=f"Take the files out of {bin_folder} by hand",
        )

    def _wrong_with(self, moved: Sequence[_Moved]) -> str:
        """Why a list of deleted files cannot be followed; empty where it can."""
        stored = [item["stored"] for item in moved]
        if not all(self.holds(self.root / item["from"]) for item in moved) or any(
            Path(name).name != name or name == ".." for name in stored
        ):
            return "it names places outside the workspace"
        names = [name for item in moved for name in (*Path(item["from"]).parts, item["stored"])]
        if not all(map(is_name, names)):
            return "it names places that no disk holds"
        places = {(self.root / item["from"]).resolve() for item in moved}
        if any(self.trash in place.parents for place in places) or {"", _CONTENTS} & {*stored}:
            return "it names the trash itself"
        return "it names one thing twice" if min(len(places), len({*stored})) < len(moved) else ""

    def empty_trash(self) -> None:
        """Delete for good what the trash holds."""
        for entry in self.trash.iterdir():
            shutil.rmtree(entry, ignore_errors=True)


def default_workspace() -> Workspace:
    """The workspace named by $GROUNDLINE_WORKSPACE, or `workspace/` in the project; `groundline/` at home where there is no project."""
    own = PROJECT / "workspace" if (PROJECT / "app.py").is_file() else Path.home() / "groundline"
    return Workspace(Path(os.environ.get(WORKSPACE_VARIABLE) or own))
