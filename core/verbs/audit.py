"""Verb audit: look over a data set and list what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.progress import OnProgress, ShouldStop
from core.reading.readable import refuse_no_dataset
from core.settings import REQUIRED, Settings, setting
from core.verbs.options import CLASSES, DATASET, IMAGES, MASKS
from core.verbs.tables import table
from core.verbs.verb import Answer, Verb
from core.words import share_words

_SHOWN_FINDINGS, _SHOWN_PLACES = 20, 20


@dataclass(frozen=True)
class AuditRequest(Settings):
    """What `audit` can be told."""

    dataset: Path = setting(REQUIRED, DATASET, flag="DATASET")
    classes: Path | None = setting(None, CLASSES, metavar="FILE")
    images: str | None = setting(None, IMAGES, metavar="PATTERN")
    masks: str | None = setting(None, MASKS, metavar="PATTERN")


def run(asked: AuditRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Look over a data set."""
    refuse_no_dataset(asked.dataset)

    from core.audit.audit import audit
    from core.datasets.datasets import open_dataset

    dataset = open_dataset(asked.dataset, classes=asked.classes, images=asked.images or "", masks=asked.masks or "")
    return audit(dataset, on_progress=on_progress, should_stop=should_stop).summary()


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Pairs, classes, mosaics, and the first findings."""
    yield f"{answer['pairs']} pairs, {_count(answer['unpaired'])} files without a partner"
    yield ""
    yield from table(("class", "share"), [(name, share_words(share, 2)) for name, share in answer["classes"].items()])
    for mosaic in answer["mosaics"]:
        yield f"{mosaic['group']}: neighbouring images, {mosaic['rows']} rows x {mosaic['columns']} columns"
    for one in answer.get("same_ground", ())[:_SHOWN_PLACES]:
        labels = one["labels"]
        agree = "" if labels is None else f", labels alike on {share_words(labels['alike'], 2)}"
        yield f"{one['first']} and {one['second']}: the same ground, {one['pixels']:,} pixels ({share_words(one['share'], 2)}){agree}"
    findings = answer.get("findings") or []
    if findings:
        yield ""
    for finding in findings[:_SHOWN_FINDINGS]:
        yield f"{finding['severity']}: {finding['sentence']}"
    if len(findings) > _SHOWN_FINDINGS:
        yield f"... and {len(findings) - _SHOWN_FINDINGS} more (--json has them all)"


def _count(value: Any) -> int:
    return value if isinstance(value, int) else len(value)


VERB = Verb("audit", AuditRequest, run, summary)
