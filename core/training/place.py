"""Where a run is written: in its folder, or beside an older run until the new one has something to put in its place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from core.files import delete, put_in_place, unfinished_place
from core.model_store.cards import CARD_FILE, WEIGHTS_FILE
from core.training.checkpoints import LAST_FILE
from core.training.event_files import EVENTS_FOLDER

HISTORY_FILE = "history.jsonl"
SETTINGS_FILE = "settings.json"
PREVIEWS = "previews"
PARTS = "classes"
_NEWER = ".newer"
"""Tells the newer run of two where a kill left both: they change places in one step, and the older one is deleted in another."""
_MODEL = (LAST_FILE, CARD_FILE, WEIGHTS_FILE, PARTS)
_OWN = (*_MODEL, HISTORY_FILE, SETTINGS_FILE, PREVIEWS, EVENTS_FOLDER, "README.md")


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


def _same_file(old: str | os.PathLike, new: str | os.PathLike) -> None:
    """Let a file lie in two places; a copy where the disk cannot."""
    try:
        os.link(old, new, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(old, new, follow_symlinks=False)
