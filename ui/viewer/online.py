"""Layers of map servers that people typed the address of: kept in the workspace, and the servers that pictures may come from."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from core.claims import in_turn
from core.errors import SettingsError
from core.files import write_json
from core.reading.map_services import MapService
from core.reading.readable import read_again
from core.workspace import default_workspace
from ui.allowed import refuse_if_read_only

MOST = 12
"""Layers that are kept; a further one takes the place of the oldest."""


def services() -> list[MapService]:
    """All that are kept, oldest first; one whose address was made another by hand and is none is passed over."""
    try:
        stored = read_again(_file(), list[MapService])
    except (OSError, ValueError):  # none yet, or cut off by a crash: typed again
        return []
    return [service for service in (_read(entry) for entry in stored) if service is not None]


def keep(service: MapService) -> None:
    """Keep one more; it takes the place of one with the same name. Raises InputError where nothing may be kept."""
    _write(service.name, [service])


def forget(name: str) -> None:
    """Keep one no longer. Raises InputError where nothing may be changed."""
    _write(name, [])


def origins() -> tuple[str, ...]:
    """The servers of all layers, as the header has them that says where pictures may come from."""
    return tuple(dict.fromkeys(origin for service in services() for origin in service.origins))


def _read(entry: dict) -> MapService | None:
    service = MapService(**{name: entry[name] for name in asdict(MapService("", "", "")) if name in entry})
    service = replace(service, subdomains=tuple(service.subdomains))
    try:
        return service if service.origins else None
    except SettingsError:
        return None


def _write(name: str, new: list[MapService]) -> None:
    refuse_if_read_only()
    with in_turn(_file()):
        kept = [*(one for one in services() if one.name != name), *new][-MOST:]
        write_json(_file(), [asdict(one) for one in kept])


def _file() -> Path:
    return Path(default_workspace().root) / "online_layers.json"
