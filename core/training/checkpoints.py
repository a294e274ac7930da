"""What an epoch leaves and where: the network as a file, and the state of the run, so that a killed one goes on as if nothing had happened.

A new run over an older one begins beside it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.claims import scratch
from core.errors import ModelError
from core.files import delete, put_in_place, replacing, unfinished_place
from core.model_store.cards import CARD_FILE, WEIGHTS_FILE
from core.training.event_files import EVENTS_FOLDER
from core.training.following.followers import LOGGERS_FILE

if TYPE_CHECKING:
    import keras

LAST_FILE = "last.npz"
HISTORY_FILE = "history.jsonl"
SETTINGS_FILE = "settings.json"
PREVIEWS = "previews"
PARTS = "classes"
_NEWER = ".newer"
"""Tells the newer run of two where a kill left both: they change places in one step, and the older one is deleted in another."""
_MODEL = (LAST_FILE, CARD_FILE, WEIGHTS_FILE, PARTS)
_OWN = (*_MODEL, HISTORY_FILE, SETTINGS_FILE, PREVIEWS, EVENTS_FOLDER, LOGGERS_FILE, "README.md")
_WEIGHTS = "model.weights.h5"


@dataclass(frozen=True)
class RunState:
    """How far a run is: finished epochs, the best one and its score, epochs since, and lowered learning rates."""

    epoch: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    since_best: int = 0
    plateaus: int = 0
    seconds: float = 0.0


class Place:
    """A run's folder: `now` is where it is written, `folder` where it is found once `settle` was called.

    A new run over an older one begins beside it, so that the older model stays what it was. With `resume` the run goes on that was
    begun last: the one beside, where one was stopped before it could settle.
    """

    def __init__(self, folder: Path, *, resume: bool):
        self.folder = Path(os.path.realpath(folder))  # a link is no folder that another could take the place of
        self.now, self._beside = self.folder, unfinished_place(self.folder)
        if resume:
            # Without settings it was refused before it began.
            if (self._beside / _NEWER).is_file() and any(self._beside.rglob(SETTINGS_FILE)):
                self.now = self._beside
            else:
                self._tidy()
            return
        # What a container mounts cannot be exchanged, nor what lies in a folder that is not the user's.
        fixed = os.path.ismount(self.folder) or not os.access(self.folder.parent, os.W_OK)
        if not fixed and any((self.folder / name).exists() for name in _MODEL):
            self.now = self._beside

    def begin(self) -> None:
        """Make the folder of a new run, empty where it lies beside an older one."""
        self._tidy()
        self.now.mkdir(parents=True, exist_ok=True)
        if not self.settled:
            (self.now / _NEWER).touch()

    @property
    def settled(self) -> bool:
        """Whether the run lies in its folder."""
        return self.now == self.folder

    def settle(self) -> None:
        """Put what is written in the place of the older run. What the user has laid into that folder comes along."""
        if self.settled:
            return
        for item in self.folder.iterdir() if self.folder.is_dir() else ():
            there = self.now / item.name
            if item.name in _OWN or os.path.lexists(there):
                continue
            if item.is_dir() and not item.is_symlink():
                shutil.copytree(item, there, symlinks=True, copy_function=_same_file)
            else:
                _same_file(item, there)
        put_in_place(self.now, self.folder)
        self.now = self.folder
        self._tidy()

    def _tidy(self) -> None:
        delete(self._beside)
        (self.folder / _NEWER).unlink(missing_ok=True)


class NetworkFile:
    """Writes a network as the `.keras` file that Keras would write, epoch after epoch, in a part of the time.

    Of such a file only the weights change: Keras writes it once, with each variable's number for its values, which tells where
    in the file the variable lies.
    """

    def __init__(self, network: keras.Model):
        self.network, self.variables = network, list(network.weights)
        before = [_to_numpy(variable) for variable in self.variables]
        with scratch() as folder:
            path = folder / "network.keras"
            try:
                for number, variable in enumerate(self.variables):
                    variable.assign(np.full(variable.shape, number + 1, variable.dtype))
                network.save(path)
            finally:
                for variable, value in zip(self.variables, before, strict=True):
                    variable.assign(value)
            with zipfile.ZipFile(path) as archive:
                self._rest = {name: archive.read(name) for name in archive.namelist() if name != _WEIGHTS}
                self._weights = bytearray(archive.read(_WEIGHTS))
        self._places = _places(self._weights)
        self._whole = sorted(self._places) == list(range(1, 1 + len(self.variables)))

    def write(self, path: Path) -> None:
        """Write the network as it is now to `path`; one whose file holds more than its weights is left to Keras."""
        if not self._whole:
            self.network.save(path)
            return
        for number, variable in enumerate(self.variables, start=1):
            value = np.ascontiguousarray(_to_numpy(variable))
            start = self._places[number]
            self._weights[start : start + value.nbytes] = value.tobytes()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in self._rest.items():
                archive.writestr(name, content)
            archive.writestr(_WEIGHTS, bytes(self._weights))


def _places(weights: bytearray) -> dict[int, int]:
    """Where the values of each data set of an HDF5 file begin, by its first value."""
    import h5py

    found: dict[int, int] = {}

    def look(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.size:
            found[int(np.ravel(item[()])[0])] = item.id.get_offset()

    with h5py.File(io.BytesIO(bytes(weights)), "r") as file:
        file.visititems(look)
    return found


def save_last(folder: Path, state: RunState, settings: dict[str, Any], variables: Sequence[Any]) -> None:
    """Write state, settings and every variable (weights, random seeds, optimizer) in one step."""
    arrays = {f"v{i:05d}": np.asarray(_to_numpy(variable)) for i, variable in enumerate(variables)}
    about = json.dumps({"state": asdict(state), "settings": settings})
    with replacing(folder / LAST_FILE, suffix=".npz") as temporary:
        np.savez(temporary, about=np.array(about), **arrays)


def peek_last(folder: Path) -> tuple[RunState, dict[str, Any]] | None:
    """State and settings of the last finished epoch; None when no epoch was finished. Raises ModelError when broken."""
    path = folder / LAST_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path) as saved:
            about = json.loads(str(saved["about"]))
        return RunState(**about["state"]), about["settings"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise _broken(path, str(error)) from error


def load_last(folder: Path, variables: Sequence[Any]) -> None:
    """Put the saved values back into variables of the same run. Raises ModelError when they do not fit."""
    path = folder / LAST_FILE
    with np.load(path) as saved:
        values = [saved[name] for name in sorted(saved.files) if name != "about"]
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise _broken(path, "it belongs to another network or optimizer")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _to_numpy(variable: Any) -> Any:
    from keras import ops

    return ops.convert_to_numpy(variable)


def _broken(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path} cannot be used to go on ({why})", expected="the state of the same run", do="Start the run anew without resume"
    )


def _same_file(old: str | os.PathLike, new: str | os.PathLike) -> None:
    """Let a file lie in two places; a copy where the disk cannot."""
    try:
        os.link(old, new, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(old, new, follow_symlinks=False)
