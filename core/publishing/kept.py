"""Where the map page keeps layers so that they are served; little is imported, as a page asks at every visit."""

from __future__ import annotations

import os
import time
from pathlib import Path

from core.digests import digest_of
from core.workspace import Workspace

_KEPT = "by-url"


def kept_folder(workspace: Workspace, source: Path) -> Path:
    """Where the map page keeps layers of a prediction or class raster so that they are served; need not exist."""
    return workspace.layers / _KEPT / key_of(source)


def key_of(source: Path) -> str:
    """The name of the folder with what the map page keeps of a prediction or class raster."""
    return digest_of(os.path.realpath(source))


def is_kept(workspace: Workspace, file: Path) -> bool:
    """Whether the map page kept a layer's file."""
    return file.parent.parent == workspace.layers / _KEPT


def kept_on(file: Path) -> str:
    """When the map page kept a layer: 30 November 2026, 17:54. Raises OSError where it is gone."""
    return time.strftime("%d %B %Y, %H:%M", time.localtime(file.stat().st_mtime))
