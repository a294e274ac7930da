"""Verb prepare: cut a data set into patches and split them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.progress import OnProgress, ShouldStop
from core.settings import REQUIRED, Settings, setting
from core.verbs.options import CLASSES, DATASET
from core.verbs.tables import table
from core.verbs.verb import Answer, Verb, place_of


@dataclass(frozen=True)
class Prepare(Settings):
    """What `prepare` can be told."""

    dataset: Path = setting(REQUIRED, DATASET, flag="DATASET")
    classes: Path | None = setting(None, CLASSES, metavar="FILE")
    out: Path | None = setting(None, "folder for the patches", flag="OUT")
    patch_size: int = setting(256, "height and width of a patch", metavar="PX")
    stride: int | None = setting(None, "distance from patch to patch (default: the patch size)", metavar="PX")
    min_labelled: float = setting(0.05, "patches with less labelled are dropped", metavar="FRACTION")
    split: str = setting("group", "what is kept together", choices=("group", "block", "random"))
    validation: float | None = setting(None, "share for validation", metavar="FRACTION")
    test: float | None = setting(None, "share for the test", metavar="FRACTION")
    hold_out: tuple[str, ...] = setting((), "a tile or scene for the test alone; repeatable", metavar="GROUP", repeated=True)
    seed: int = setting(0, "equal seeds give equal splits")
    scale: float = setting(1.0, "resize images by this factor first", metavar="FACTOR")
    bands: tuple[int | str, ...] | None = setting(None, "bands to take: numbers from 1, or their names", metavar="N,N,...")


def run(asked: Prepare, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Cut a data set into patches and divide them."""
    from core.datasets.datasets import open_dataset
    from core.patches.prepare import prepare

    told = {key: value for key, value in vars(asked).items() if key not in ("dataset", "classes", "out")}
    told["stride"] = asked.stride or asked.patch_size
    dataset = open_dataset(asked.dataset, classes=asked.classes)
    store = prepare(dataset, place_of(asked.out), **told, on_progress=on_progress, should_stop=should_stop)
    return {**store.summary(), "folder": str(asked.out)}


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Patches of each part, and what was dropped or is shared."""
    yield from table(("part", "patches"), list(answer["patches"].items()))
    yield f"{answer['dropped']} patches dropped, {answer['shared_pixels']} pixels shared between parts"
    for remark in (*answer.get("warnings", ()), *answer.get("notes", ())):
        yield str(remark)
    yield f"Written to {answer['folder']}"


VERB = Verb("prepare", "cut a data set into patches and split them", Prepare, run, summary, place="prepared")
