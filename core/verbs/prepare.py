"""Verb prepare: cut a data set into patches and split them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.patches.settings import PrepareSettings
from core.progress import OnProgress, ShouldStop
from core.reading.readable import refuse_no_dataset
from core.settings import REQUIRED, Settings, group, setting
from core.verbs.options import CLASSES, DATASET, IMAGES, MASKS
from core.verbs.tables import table
from core.verbs.verb import Answer, Verb, place_of


@dataclass(frozen=True)
class PrepareRequest(Settings):
    """What `prepare` can be told."""

    dataset: Path = setting(REQUIRED, DATASET, flag="DATASET")
    classes: Path | None = setting(None, CLASSES, metavar="FILE")
    images: str | None = setting(None, IMAGES, metavar="PATTERN")
    masks: str | None = setting(None, MASKS, metavar="PATTERN")
    out: Path | None = setting(None, "folder for the patches", flag="OUT")
    cutting: PrepareSettings = group(PrepareSettings())


def run(asked: PrepareRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Cut a data set into patches and divide them."""
    refuse_no_dataset(asked.dataset)

    from core.datasets.datasets import open_dataset
    from core.patches.prepare import prepare

    dataset = open_dataset(asked.dataset, classes=asked.classes, images=asked.images or "", masks=asked.masks or "")
    store = prepare(dataset, place_of(asked.out), asked.cutting, on_progress=on_progress, should_stop=should_stop)
    return {**store.summary(), "folder": str(asked.out)}


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Patches of each part, and what was dropped or is shared."""
    yield from table(("part", "patches"), list(answer["patches"].items()))
    yield f"{answer['dropped']} patches dropped, {answer['shared_pixels']} pixels shared between parts"
    for remark in (*answer.get("warnings", ()), *answer.get("notes", ())):
        yield str(remark)
    yield f"Written to {answer['folder']}"


VERB = Verb("prepare", PrepareRequest, run, summary, place="prepared")
