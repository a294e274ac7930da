"""The label projects that are open in this server, each with a thread that keeps its answer up to date, by a name that nobody can guess."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from ui import state

if TYPE_CHECKING:  # a session brings compiler and geopandas, for which the server's start need not wait
    from core.labelling.projects.session import Session

_MOST = 4
_lock = threading.Lock()
_open: OrderedDict[str, Session] = OrderedDict()


def session_of(folder: Path) -> tuple[str, Session]:
    """The open session of a project's folder and its name in URLs; opened where it is not, and the least used one closed for it.

    Raises InputError, SceneError.
    """
    from core.labelling.projects.project import LabelProject
    from core.labelling.projects.session import Session

    with _lock:
        for token, session in _open.items():
            if session.project.folder == folder:
                _open.move_to_end(token)
                return token, session
        session = Session(LabelProject.open(folder), cache=state.workspace().features)
        token = secrets.token_urlsafe(16)
        _open[token] = session
        while len(_open) > _MOST:
            _open.popitem(last=False)[1].close()
        return token, session


def find(token: str) -> Session | None:
    """The session that a URL names, None where it is not open (any more)."""
    with _lock:
        return _open.get(token)


def close(folder: Path) -> None:
    """Close a project's session, before its folder is moved or deleted."""
    with _lock:
        for token in [token for token, session in _open.items() if session.project.folder == folder]:
            _open.pop(token).close()
