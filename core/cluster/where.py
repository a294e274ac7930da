"""Where work runs: in this process, in workers on this machine, or on a Dask cluster; no Dask in here, so that flags can read it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from core.errors import SettingsError
from core.settings import Settings, setting

NONE, LOCAL = "none", "local"
OFFERED_VARIABLE = "GROUNDLINE_CLUSTER"
_SCHEMES = ("tcp://", "tls://", "ws://", "wss://")


@dataclass(frozen=True)
class Where:
    """What `--cluster` says: an `address` of a scheduler, or `workers` on this machine (0: as many as its cores and memory allow)."""

    address: str | None = None
    workers: int = 0


@dataclass(frozen=True)
class ClusterSettings(Settings):
    """On which processes work runs. Raises SettingsError."""

    cluster: str = setting(
        NONE, "where it runs: none (this process), local or local:N (workers on this machine), tcp://HOST:PORT (Dask)", metavar="WHERE"
    )

    title = "settings of the cluster"

    def __post_init__(self) -> None:
        super().__post_init__()
        read_where(self.cluster)

    @property
    def where(self) -> Where | None:
        """None for this process."""
        return read_where(self.cluster)


def read_where(told: str | Where | None) -> Where | None:
    """Read "none" (None), "local", "local:N" or the address of a Dask scheduler; what was read is given back. Raises SettingsError."""
    if not isinstance(told, str):
        return told
    text = told.strip()
    if text in ("", NONE):
        return None
    local = re.fullmatch(rf"{LOCAL}(?::(\d+))?", text)
    if local and local[1] != "0":
        return Where(workers=int(local[1] or 0))
    if text.startswith(_SCHEMES) and re.fullmatch(r"\w+://[^/\s]+:\d+/?", text):
        return Where(address=text.rstrip("/"))
    raise SettingsError(
        f"cluster {text!r}",
        expected="none, local, local:N with N from 1, or a scheduler's address like tcp://192.168.1.5:8786",
        do="Choose local for all cores of this machine",
    )


def offered() -> str | None:
    """The cluster that who runs the dashboard offers in it, by `GROUNDLINE_CLUSTER`; None for none. Raises SettingsError."""
    text = os.environ.get(OFFERED_VARIABLE, "")
    return text.strip() if read_where(text) else None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
