"""Memory: what the user allows, what the process takes, and how wide a strip of the scene fits in between."""

from __future__ import annotations

import re
import threading

import psutil

from core.errors import SettingsError
from core.words import MIB

_UNITS = {"": 1, "K": 1 << 10, "M": MIB, "G": 1 << 30}
_SMALLEST = 64 * MIB


def parse_memory(text: str | int) -> int:
    """Bytes from "1GiB", "800 MB" or a number of bytes; K, M and G count in 1024s. Raises SettingsError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?\s*", str(text), re.IGNORECASE)
    unit = match and _UNITS[match[2].upper()]
    if not unit or float(match[1]) * unit < _SMALLEST:
        raise SettingsError(
            f"a memory limit of {text!r}", expected='at least 64 MiB, written like "1GiB" or "800MB"', do="Choose 1GiB when in doubt"
        )
    return int(float(match[1]) * unit)


def resident_bytes() -> int:
    """Memory that this process holds now."""
    return psutil.Process().memory_info().rss


class PeakMemory:
    """Watches this process: `peak_bytes` is the most memory it held inside the `with`."""

    def __init__(self, interval_s: float = 0.05):
        self.peak_bytes = 0
        self._interval_s = interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(self._interval_s):
            self._look()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, resident_bytes())
