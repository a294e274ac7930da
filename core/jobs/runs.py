"""Several runs beside each other: their histories, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.jobs.jobs import Job
from core.training.settings import TrainSettings


def histories(jobs: Iterable[Job]) -> dict[str, list[dict[str, Any]]]:
    """The finished epochs of each training job by its name, in order: the lines of `history.jsonl` without those run twice.

    A run with one network per class has lines with the key "class".
    """
    return {job.name: _epochs(job) for job in jobs}


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


def _epochs(job: Job) -> list[dict[str, Any]]:
    # A worker that was killed between telling of an epoch and keeping it runs that epoch again.
    lines = {(event.get("class"), event["epoch"]): event for event in job.events("epoch")}
    return [{name: value for name, value in event.items() if name not in ("time", "type")} for event in lines.values()]
