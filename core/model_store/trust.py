"""Which files that hold Python code the user has allowed to run, by their digest and on this machine only.

A card could say so as well, but a card travels with its model: whoever sends the code would send the permission.
"""

from __future__ import annotations

import os
from pathlib import Path

from core.digests import content_digest
from core.errors import ModelError
from core.files import write_json
from core.reading.readable import read_record
from core.workspace import default_workspace

_FILE = "trusted_files.json"


def trust(file: str | os.PathLike) -> None:
    """Remember that the user allows the code in `file`, as it is now."""
    known = _known()
    known[content_digest(file)] = Path(file).name
    write_json(_list(), known)


def is_trusted(file: str | os.PathLike) -> bool:
    """Whether the user has allowed the code in `file`."""
    known = _known()
    return bool(known) and Path(file).is_file() and content_digest(file) in known


def refuse_untrusted(file: str | os.PathLike) -> None:
    """Raise ModelError for a file that holds code, unless the user has allowed it."""
    if not is_trusted(file):
        raise ModelError(
            f"{Path(file).name} holds a Lambda layer, which is Python code that would run when it is loaded",
            expected="a network of plain layers, or a file that you trust",
            do="Rebuild the network without Lambda layers, or import it with the wish to trust it if you know who made it",
        )


def _list() -> Path:
    return default_workspace().root / _FILE


def _known() -> dict[str, str]:
    try:
        return read_record(_list(), dict[str, str]) if _list().is_file() else {}
    except (OSError, ValueError):  # damaged: nothing is trusted until the user says so again
        return {}
