"""The label doctor: what is wrong with a data set, said before a minute is spent on training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from core.audit import ground_checks, image_checks, label_checks
from core.audit.findings import SEVERITIES, Finding
from core.audit.ground_checks import Agreement, agreements
from core.audit.survey import PairFacts, survey
from core.datasets.datasets import Dataset
from core.datasets.mosaics import Mosaic, find_mosaics
from core.datasets.palette_check import conflicting_classes
from core.datasets.same_ground.overlaps import Overlap, same_ground
from core.progress import OnProgress, ShouldStop, part


@dataclass(frozen=True, eq=False)
class Audit:
    """What a look at every pair found. `facts` and `digests`, the pairs' own, are in the order of the data set's pairs.

    `overlaps` are the images of different groups that show the same ground, and `agreements` how far their labels agree there.
    """

    dataset: Dataset
    facts: tuple[PairFacts, ...]
    mosaics: tuple[Mosaic, ...]
    digests: tuple[str, ...]
    overlaps: tuple[Overlap, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the user should know, the worst first."""
        found = find_all(self.dataset, self.facts, self.mosaics) + ground_checks.find(self.dataset, self.overlaps, self.agreements)
        return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class over all masks, int64 (K + 1,); the last not labelled."""
        total = np.zeros(len(self.dataset.scheme) + 1, np.int64)
        for facts in self.facts:
            if facts.counts.size:
                total = total + facts.counts
        return total

    @property
    def off_palette(self) -> dict[str, int]:
        """Pixels of each colour ("#RRGGBB") or value that is no class, the commonest first."""
        total: Counter[str] = Counter()
        for facts in self.facts:
            total.update(facts.strangers)
        return dict(total.most_common())

    def class_fractions(self) -> dict[str, float]:
        """Share of all mask pixels of each class and of "Unlabeled"; they sum to 1."""
        counts = self.counts
        unlabelled = self.dataset.scheme.ignored_names[0] if self.dataset.scheme.ignored_names else "Unlabeled"
        total = max(1, int(counts.sum()))
        return {name: int(n) / total for name, n in zip((*self.dataset.scheme.names, unlabelled), counts, strict=True)}

    def summary(self) -> dict[str, Any]:
        """The contract's keys and the findings, in plain values."""
        return {
            "dataset": str(self.dataset.root),
            "pairs": len(self.dataset.pairs),
            "groups": len(self.dataset.groups),
            "unpaired": len(self.dataset.unpaired),
            "unreadable": sum(facts.error is not None for facts in self.facts),
            "size_mismatches": sum(1 for facts in self.facts if facts.mask_height and not facts.same_size),
            "off_palette": self.off_palette,
            "palette_conflicts": conflicting_classes(self.dataset, self.off_palette, self.counts),
            "classes": self.class_fractions(),
            "scheme_source": self.dataset.scheme_source,
            "mosaics": [{"group": m.group, "rows": m.rows, "columns": m.columns} for m in self.mosaics],
            "same_ground": [one.to_dict() | ground_checks.of(one, self.agreements) for one in self.overlaps],
            "findings": [finding.to_dict(self.dataset.root) for finding in self.findings],
        }


def audit(
    dataset: Dataset, *, before: Audit | None = None, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None
) -> Audit:
    """Look at every pair once, find the mosaics among them, and judge what was seen. Changes nothing.

    Pairs that are as they were in the audit `before` are not looked at again: after a remedy, only those that it touched.
    """
    digests = tuple(pair.digest for pair in dataset.pairs)
    known = {} if before is None else unchanged(before, dataset, digests)
    facts = survey(dataset, known=known, on_progress=part(on_progress, 0, 2, 3), should_stop=should_stop)
    mosaics = find_mosaics(dataset, chips=[one.chip for one in facts])
    points = {one.name: one.points for one in facts if one.points is not None}
    readable = [pair for pair, one in zip(dataset.pairs, facts, strict=True) if one.unreadable != "image"]
    overlaps = same_ground(readable, points, on_progress=part(on_progress, 2, 3, 3), should_stop=should_stop)
    return Audit(dataset, facts, tuple(mosaics), digests, overlaps, agreements(dataset, overlaps, should_stop=should_stop))


def unchanged(before: Audit, dataset: Dataset, digests: Sequence[str]) -> dict[str, PairFacts]:
    """The facts, by the pair's name, that still hold: the same files read the same way (their `digests`), in the same classes.

    What is declared as not labelled, or read as the nearest class, changes only pairs with pixels that are no class.
    """
    old, new = before.dataset, dataset
    if (old.scheme.names, old.scheme.colours, old.scheme.values) != (new.scheme.names, new.scheme.colours, new.scheme.values):
        return {}
    if replace(old.encoding, snap=False) != replace(new.encoding, snap=False) or old.remedies.alpha != new.remedies.alpha:
        return {}
    strangers_too = old.scheme == new.scheme and old.encoding.snap == new.encoding.snap
    facts = {one.name: one for one in before.facts}
    then = {pair.name: digest for pair, digest in zip(old.pairs, before.digests, strict=True)}
    kept = [pair.name for pair, digest in zip(new.pairs, digests, strict=True) if then.get(pair.name) == digest]
    return {name: facts[name] for name in kept if strangers_too or not facts[name].strangers}


def find_all(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> tuple[Finding, ...]:
    """Every finding about single images and masks of a data set; see `Audit`."""
    return tuple(
        finding for module in (label_checks, image_checks) for check in module.CHECKS for finding in check(dataset, facts, mosaics)
    )
