"""What the pages know of training runs, read from their folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from core import networks
from core.jobs import jobs
from core.jobs.jobs import Job
from core.jobs.runs import histories
from core.verbs import registry
from ui import jobs_view, library, state
from ui.train import advanced

COMPARED = "runs_compared"
TAB = "train_tab"
NEW, RUNS, COMPARE, MODELS = "New run", "Runs", "Compare", "Models"


def runs() -> list[Job]:
    """All training runs, newest first."""
    return jobs.list_jobs(state.workspace(), kinds=("train",))


def show(*names: str) -> None:
    """Open one run in its tab, or several in the comparison."""
    if len(names) == 1:
        st.session_state[jobs_view.RUN] = names[0]
    else:
        st.session_state[COMPARED] = list(names)
    go(RUNS if len(names) == 1 else COMPARE)


def go(tab: str) -> None:
    """Turn to a tab of the Train page at its next run."""
    st.session_state["gl_train_tab"] = tab


def lines(job: Job) -> list[dict[str, Any]]:
    """The records of a run's epochs, in order."""
    return histories([job])[job.name]


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


def seconds(records: Sequence[Mapping[str, Any]], status: Mapping[str, Any]) -> float | None:
    """Time that a run took: of its epochs where they tell, so that pauses and other runs do not count."""
    told = sum(record.get("seconds") or 0 for record in records)
    spent = (status["finished"] or 0) - (status["started"] or 0)
    return told or (spent if spent > 0 else None)


def queue() -> list[Job]:
    """The jobs that wait for their turn, the next one first; runs wait for predictions too."""
    waiting = [(job.status(), job) for job in jobs.list_jobs(state.workspace()) if registry.find(job.kind).heavy]
    waiting = [(status["arrived"], job.name, job) for status, job in waiting if status["state"] == "queued"]
    return [job for *_, job in sorted(waiting, key=lambda entry: entry[:2])]


def state_words(job: Job, waiting: Sequence[Job]) -> str:
    """`Finished`, or `Waiting, 2nd in line`."""
    place = next((number for number, other in enumerate(waiting, start=1) if other.name == job.name), 0)
    if place:
        return f"Waiting, {place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place if place < 20 else place % 10, 'th') } in line"
    return jobs_view.label(job.status()["state"])


def network_words(settings: Mapping[str, Any]) -> str:
    """`U-Net · resnet34`."""
    title = networks.architecture(settings.get("architecture", "unet")).title
    each = ", one per class" if settings.get("per_class") else ""
    return (f"{title} · {settings['encoder']}" if settings.get("encoder") else title) + each


def value_words(name: str, value: Any) -> str:
    """A setting's value as the form calls it."""
    if name == "weights":
        return {"none": "random", "imagenet": "ImageNet"}.get(value, Path(str(value)).name)
    if name == "loss":
        return advanced.LOSS_NAMES.get(value, str(value))
    if name == "architecture":
        return networks.architecture(value).title
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return "–" if value is None else str(value)


def data_words(job: Job) -> str:
    """The patches of a run."""
    return library.prepared_title(job.request["prepared"])
