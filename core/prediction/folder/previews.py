"""A small picture of a prediction while it is made."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from PIL import Image

from core.classes import IGNORED_ID, ClassScheme
from core.files import replacing
from core.scenes.scene import Window

_LONGEST_PX = 1024
_PAUSE_S = 2.0
_SHARE = 0.01


class LivePreview:
    """Every n-th pixel of the labels predicted so far, in the classes' colours, transparent where nothing is known yet."""

    def __init__(self, path: Path, window: Window, scheme: ClassScheme):
        opaque = np.where(np.arange(256) == IGNORED_ID, np.uint8(0), np.uint8(255))
        self._path, self._table, self._due = path, np.column_stack([scheme.table(), opaque]), time.monotonic() + _PAUSE_S
        self._every = max(1, -(-max(window.height, window.width) // _LONGEST_PX))
        self._ids = np.full((-(-window.height // self._every), -(-window.width // self._every)), IGNORED_ID, np.uint8)

    def add(self, part: Window, labels: np.ndarray) -> None:
        """Take class ids (h, w) of a window; the file is renewed every two seconds, or less often where that is slow."""
        row, col = -part.row % self._every, -part.col % self._every
        sample = labels[row :: self._every, col :: self._every]
        self._ids[Window((part.row + row) // self._every, (part.col + col) // self._every, *sample.shape).slices] = sample
        if time.monotonic() >= self._due:
            begun = time.monotonic()
            with replacing(self._path) as temporary:
                Image.fromarray(self._table[self._ids], "RGBA").save(temporary, format="PNG", compress_level=1)
            ended = time.monotonic()
            self._due = ended + max(_PAUSE_S, (ended - begun) / _SHARE)
