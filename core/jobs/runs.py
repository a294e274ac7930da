"""What training runs have learned, and several beside each other: their histories, their best, and the settings in which they differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.jobs.jobs import Job
from core.training.checkpoints import HISTORY_FILE, PREVIEWS
from core.training.settings import TrainSettings


def histories(jobs: Iterable[Job]) -> dict[str, list[dict[str, Any]]]:
    """The finished epochs of each training job by its name, in order: the lines of `history.jsonl` without those run twice.

    A run with one network per class has lines with the key "class".
    """
    return {job.name: lines(job) for job in jobs}


def lines(job: Job) -> list[dict[str, Any]]:
    """The records of a run's epochs, in order."""
    # A worker that was killed between telling of an epoch and keeping it runs that epoch again.
    latest = {(event.get("class"), event["epoch"]): event for event in job.events("epoch") if "epoch" in event}
    return [{name: value for name, value in event.items() if name not in ("time", "type")} for event in latest.values()]


def by_class(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The records of each network of a run with one per class; empty for a plain run."""
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        if "class" in record:
            parts.setdefault(record["class"], []).append(record)
    return parts


def best(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The record with the highest validation mean IoU."""
    scored = [record for record in records if record.get("val_mean_iou") is not None]
    return max(scored, key=lambda record: record["val_mean_iou"], default=None)


def score(job: Job, records: Sequence[Mapping[str, Any]]) -> float | None:
    """Best validation mean IoU (0..1) of a run; with one network per class that of the merged model, once there is one."""
    if by_class(records):
        return ((job.result() or {}).get("validation") or {}).get("mean_iou")
    top = best(records)
    return top["val_mean_iou"] if top else None


def class_lines(records: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, float | None]]]:
    """Validation IoU of each class as points (epoch, IoU); with one network per class, each class by its own network."""
    parts = by_class(records)
    if parts:
        return {name: [(record["epoch"], (record.get("val_iou") or {}).get(name)) for record in part] for name, part in parts.items()}
    names = dict.fromkeys(name for record in records for name in record.get("val_iou") or {})
    return {name: [(record["epoch"], (record.get("val_iou") or {}).get(name)) for record in records] for name in names}


def pictures(job: Job, records: Sequence[Mapping[str, Any]]) -> list[Path]:
    """The pictures of a run's epochs, in order; none while its folder holds another run, an older one or one that came after it."""
    folder = Path(job.request["out"])
    if not records or _epoch_of(records[0]) not in _epochs_in(folder):
        return []
    return sorted((folder / PREVIEWS).glob("*.png"))


def _epochs_in(folder: Path) -> set[tuple]:
    try:
        written = (folder / HISTORY_FILE).read_text(encoding="utf-8")
        return {_epoch_of(json.loads(line)) for line in written.splitlines()}
    except (OSError, ValueError, AttributeError):  # none yet, or damaged
        return set()


def _epoch_of(record: Mapping[str, Any]) -> tuple:
    """What no epoch of another run has in common with this one: the time that it took, to the last digit."""
    return str(record.get("class")), str(record.get("epoch")), str(record.get("seconds"))


def seconds(records: Sequence[Mapping[str, Any]], status: Mapping[str, Any]) -> float | None:
    """Time that a run took: of its epochs where they tell, so that pauses and other runs do not count."""
    told = sum(record.get("seconds") or 0 for record in records)
    spent = (status["finished"] or 0) - (status["started"] or 0)
    return told or (spent if spent > 0 else None)


def settings_of(job: Job) -> dict[str, Any]:
    """All settings of a training job as plain values, those that were not named as well."""
    return TrainSettings.from_dict(job.request["settings"]).to_dict()


def settings_differences(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Only the settings that are not the same in all runs: {setting: {run: value}}, nested ones as "augmentation.hue".

    `settings` holds those of each run by its name, as `settings_of` gives them; a run's own name is left out. A run
    that lacks a setting has None there.
    """
    flat = {run: _flat(values) for run, values in settings.items()}
    names = dict.fromkeys(name for values in flat.values() for name in values if name != "name")
    rows = {name: {run: values.get(name) for run, values in flat.items()} for name in names}
    return {name: row for name, row in rows.items() if any(value != next(iter(row.values())) for value in row.values())}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat
