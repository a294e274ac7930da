"""Train, validation and test parts of a data set, and proof of how many pixels they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.datasets.datasets import Dataset
from core.datasets.same_ground.overlaps import Overlap, joined
from core.errors import DatasetError, SettingsError
from core.patches.blocks import block_parts
from core.patches.counting import PatchTable, patch_table
from core.patches.ground import Ground, shared_pixels
from core.patches.labelled import NotLabelled
from core.patches.parts import DROPPED, GUARD, LEFT_OVER, PARTS, TEST, TRAIN, VALIDATION, part_score
from core.patches.settings import SPLITS, TEST_SHARE, VALIDATION_SHARE, check_counts, check_shares
from core.progress import OnProgress, ShouldStop
from core.scenes.scene import Window
from core.words import counted, listed, share_words

_ENUMERATED = 6000
_DRAWS = 1500


@dataclass(frozen=True, eq=False)
class Split:
    """Which part each patch of a grid belongs to.

    `part` is int8 (N,) over the patches of `table`: 0 train, 1 validation, 2 test, -1 too little labelled, -2 in the
    guard band between blocks, -3 more than the counts ask for. `not_labelled` are names of classes that do not count as labelled.
    `notes` are sentences for the user, `warnings` those that must not be overlooked.
    """

    how: str
    table: PatchTable
    part: np.ndarray
    class_names: tuple[str, ...]
    pair_names: tuple[str, ...]
    pair_groups: tuple[str, ...]
    seed: int
    min_labelled: float
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    not_labelled: tuple[str, ...] = ()
    counts: tuple[int, ...] | None = None

    def rows(self, part: str) -> np.ndarray:
        """Positions in the table, int (n,), of the patches of "train", "validation" or "test"."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def windows(self, part: str) -> list[tuple[str, Window]]:
        """Pair name and window (in the resized scene) of each patch of a part."""
        size = self.table.patch_size
        return [
            (self.pair_names[self.table.pair[i]], Window(int(self.table.row[i]), int(self.table.col[i]), size, size))
            for i in self.rows(part)
        ]

    def shared_pixels(self) -> int:
        """Pixels of the (resized) scenes that lie in patches of two or more parts, counted one by one."""
        return count_shared(self.table, self.part)

    def summary(self) -> dict[str, Any]:
        """The split in plain values: how, patches by part, groups and pairs by part, what was dropped, shared pixels."""
        groups, pairs = {}, {}
        for part in PARTS:
            used = np.unique(self.table.pair[self.rows(part)])
            pairs[part] = [self.pair_names[i] for i in used]
            groups[part] = list(dict.fromkeys(self.pair_groups[i] for i in used))
        return {
            "how": self.how,
            "seed": self.seed,
            "min_labelled": self.min_labelled,
            "not_labelled": list(self.not_labelled),
            "counts": None if self.counts is None else list(self.counts),
            "patches": {part: int(len(self.rows(part))) for part in PARTS},
            "dropped": int(np.count_nonzero(self.part < 0)),
            "dropped_unlabelled": int(np.count_nonzero(self.part == DROPPED)),
            "dropped_guard": int(np.count_nonzero(self.part == GUARD)),
            "dropped_left_over": int(np.count_nonzero(self.part == LEFT_OVER)),
            "groups": groups,
            "pairs": pairs,
            "shared_pixels": self.shared_pixels(),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def split(
    dataset: Dataset,
    *,
    patch_size: int = 256,
    stride: int = 256,
    how: str = "group",
    validation: float = VALIDATION_SHARE,
    test: float = TEST_SHARE,
    seed: int = 0,
    min_labelled: float = 0.05,
    scale: float = 1.0,
    hold_out: Sequence[str] = (),
    not_labelled: NotLabelled | None = None,
    counts: Sequence[int] | None = None,
    rim: str = "fill",
    overlaps: Sequence[Overlap] = (),
    table: PatchTable | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Split:
    """Divide the patches of a grid into train, validation and test.

    `how`: "group" keeps each group (tile, mosaic, scene) in one part; "block" cuts each scene into blocks with a guard
    band of one patch between them; "random" deals out single patches and warns of the pixels that parts share.
    `validation` and `test` are shares of the patches; `counts` (training, validation, test) take their place, and patches beyond
    them are in no part. Groups named in `hold_out` go to test, whatever `how` is. Classes that are `not_labelled` do not count for
    `min_labelled`.
    Groups that show the same ground by `overlaps` count as one, also where one of them is held out.
    Groups and blocks are chosen so that every class is in every part where that is possible. Two calls with the same
    seed give the same split. Raises SettingsError and DatasetError for settings that cannot be met.
    """
    if how not in SPLITS:
        raise SettingsError(f"split {how!r}", expected="group, block or random", do="Choose one of them")
    check_shares(validation, test)
    check_counts(None if counts is None else tuple(counts))
    unknown = [name for name in hold_out if name not in dataset.groups]
    if unknown:
        raise DatasetError(
            f"no group named {unknown[0]!r} to hold out", expected=f"one of {_few(dataset.groups)}", do="Choose a group that exists"
        )
    if table is None:
        table = patch_table(
            dataset, patch_size=patch_size, stride=stride, scale=scale, rim=rim, on_progress=on_progress, should_stop=should_stop
        )
    without = not_labelled or NotLabelled()
    names = [dataset.scheme.names[k] for k in without.ids]
    kept = table.kept(min_labelled, without=without.ids)
    _refuse_too_few(dataset, table, kept, counts, f"{share_words(min_labelled)} of its pixels labelled" + _not_counted(names))
    rng = np.random.default_rng(seed)
    together = joined(dataset.groups, dataset.pairs, overlaps)
    group_of = np.array([together.get(pair.group, (pair.group,))[0] for pair in dataset.pairs])[table.pair]
    hold_out, drawn_in = _with_their_ground(hold_out, together)
    held = kept & np.isin(group_of, [together.get(name, (name,))[0] for name in hold_out])
    free = kept & ~held
    if not free.any():
        raise DatasetError(
            " ".join(["every group is held out for the test", *(f"({words.rstrip('.')})" for words in drawn_in[:1])]),
            expected="at least one group to train on",
            do="Hold out fewer groups" + (", or say that the same ground may lie in both parts: same_ground apart" if drawn_in else ""),
        )
    part = np.full(len(table), DROPPED, np.int8)
    part[held] = TEST
    if counts is not None:
        validation, test = _shares_of(counts, held_out=bool(hold_out))
    fractions = (validation, 0.0 if hold_out else test)
    notes = _labelling(without, names, table, min_labelled, kept)
    if how == "group":
        notes += _same_ground_notes(dataset, together, overlaps)
    free_groups = list(dict.fromkeys(group_of[free]))
    if how == "group" and len(free_groups) < 2 and sum(fractions) > 0:
        notes.append(f"There is only one group ({free_groups[0]}), so it was split into blocks instead of by group.")
        how = "block"
    if how == "group":
        part[free], more = _by_group(table, free, group_of, fractions, rng)
        notes += more
    elif how == "block":
        block, uncut, more = block_parts(table, free, fractions, rng)
        part[free] = block[free]
        notes += more
        if uncut.any():
            scenes = np.array([pair.name for pair in dataset.pairs])[table.pair]
            part[uncut], _ = _by_group(table, uncut, scenes, fractions, rng)
            number = len(np.unique(scenes[uncut]))
            notes.append(
                f"Too small to be cut, given whole to one part: {number} of {len(np.unique(scenes[free]))} scenes. "
                "Where such scenes lie side by side, scores will be a little too high."
            )
    else:
        part[free] = _by_chance(int(free.sum()), fractions, rng)
    if counts is not None:
        notes += _leave_over(part, counts, rng)
    missing = _missing_classes(table, part, dataset.scheme.names)
    shared = count_shared(table, part)
    return Split(
        how=how,
        table=table,
        part=part,
        class_names=dataset.scheme.names,
        pair_names=tuple(pair.name for pair in dataset.pairs),
        pair_groups=tuple(pair.group for pair in dataset.pairs),
        seed=seed,
        min_labelled=min_labelled,
        notes=tuple(notes + missing),
        warnings=(*drawn_in, *(_random_warning(shared) if how == "random" else ())),
        not_labelled=tuple(names),
        counts=None if counts is None else tuple(counts),
    )


def _with_their_ground(hold_out: Sequence[str], together: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, ...], list[str]]:
    """The groups to hold out with those that show the same ground, and a sentence about each that came in so."""
    more = {name: held for held in hold_out for name in together.get(held, ()) if name not in hold_out}
    words = [f"{name} shows the same ground as {held}, which is held out, so it is held out too." for name, held in more.items()]
    return (*hold_out, *more), words


def _same_ground_notes(dataset: Dataset, together: Mapping[str, tuple[str, ...]], overlaps: Sequence[Overlap]) -> list[str]:
    """A sentence for each set of groups that are kept in one part since they show the same ground."""
    group_of = {pair.name: pair.group for pair in dataset.pairs}
    notes = []
    for members in dict.fromkeys(together.values()):
        own = [one for one in overlaps if group_of[one.first] in members]
        most = max(own, key=lambda one: one.pixels)
        notes.append(
            f"{listed(members)} show the same ground, so they are kept in one part: {counted(len(own), 'pair')} of images, most in "
            f"{most.first} and {most.second} ({most.pixels:,} pixels)."
        )
    return notes


def _refuse_too_few(dataset: Dataset, table: PatchTable, kept: np.ndarray, counts: Sequence[int] | None, wanted: str) -> None:
    """Raise DatasetError where there is no patch, none that has what is `wanted`, or fewer than the counts ask for."""
    if not len(table):
        raise DatasetError(
            f"no scene of {dataset.name} that holds a whole patch of {table.patch_size} pixels",
            expected="scenes of a patch's size or more where their rim is cropped",
            do="Choose a smaller patch size, or fill the rim",
        )
    if not kept.any():
        raise DatasetError(
            f"none of the {len(table)} patches of {dataset.name} has {wanted}",
            expected="at least one patch with labels",
            do="Lower the minimum labelled share, or check the classes in the audit",
        )
    if counts is not None and sum(counts) > np.count_nonzero(kept):
        raise DatasetError(
            f"counts of {listed([str(number) for number in counts])}, {sum(counts)} patches in all",
            expected=f"at most the {np.count_nonzero(kept)} patches of {dataset.name} that are labelled enough",
            do="Lower the counts or the minimum labelled share, or use a smaller stride",
        )


def _not_counted(names: Sequence[str]) -> str:
    return f", {listed(names)} not counted" if names else ""


def count_shared(table: PatchTable, part: np.ndarray) -> int:
    """Pixels of the scenes that patches of two or more parts cover; padding beyond a scene's edge does not count."""
    total = 0
    for pair in np.unique(table.pair[part >= 0]):
        here = np.flatnonzero((table.pair == pair) & (part >= 0))
        height, width = table.shapes[pair]
        top, left = table.row[here], table.col[here]
        bottom, right = np.minimum(top + table.patch_size, height), np.minimum(left + table.patch_size, width)
        total += shared_pixels(Ground(top, left, bottom, right), part[here])
    return total


def _labelling(without: NotLabelled, names: Sequence[str], table: PatchTable, min_labelled: float, kept: np.ndarray) -> list[str]:
    """What was decided about classes that do not count as labelled, and how many patches that cost."""
    if not names:
        return []
    cost = int(np.count_nonzero(table.kept(min_labelled)) - np.count_nonzero(kept))
    verb = "does" if len(names) == 1 else "do"
    decided = f"{listed(names)} {verb} not count as labelled: {counted(cost, 'patch', 'patches')} left out for that. The class is learned."
    return [decided, *filter(None, [without.question])]


def _shares_of(counts: Sequence[int], *, held_out: bool) -> tuple[float, float]:
    """The shares for validation and test that counts stand for; groups that are held out have no share."""
    train, validation, test = (*counts, 0)[:3]
    return (validation / (train + validation), 0.0) if held_out else (validation / sum(counts), test / sum(counts))


def _leave_over(part: np.ndarray, counts: Sequence[int], rng: np.random.Generator) -> list[str]:
    """Take patches beyond the counts out of their part, by chance; a sentence for each part that has fewer."""
    notes = []
    for number, (name, wanted) in enumerate(zip(PARTS, (*counts, 0), strict=False)):
        here = np.flatnonzero(part == number)
        if len(here) < wanted:
            notes.append(
                f"The {name} part has {len(here)} of the {wanted} patches asked for: what is kept together gave no more. "
                "A split by patch gives the exact counts."
            )
        else:
            part[rng.permutation(here)[wanted:]] = LEFT_OVER
    return notes


def _by_group(
    table: PatchTable, free: np.ndarray, group_of: np.ndarray, fractions: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Part of each free patch, int8, all patches of a group in the same."""
    names, index = np.unique(group_of[free], return_inverse=True)
    patches = np.bincount(index, minlength=len(names))
    counts = np.zeros((len(names), table.counts.shape[1] - 1), np.int64)
    np.add.at(counts, index, table.counts[free, :-1])
    wanted = [part for part, fraction in ((VALIDATION, fractions[0]), (TEST, fractions[1])) if fraction > 0]
    notes = []
    if len(wanted) + 1 > len(names):
        notes.append(f"There are only {len(names)} groups, so there is no test part.")
        wanted = wanted[: len(names) - 1]
    targets = np.zeros(3)
    for part in wanted:
        targets[part] = fractions[part - 1]
    targets[TRAIN] = 1 - targets.sum()
    best = min(_candidates(patches, wanted, targets, rng), key=lambda candidate: part_score(candidate, patches, counts, targets))
    return best[index].astype(np.int8), notes


def _candidates(patches: np.ndarray, wanted: list[int], targets: np.ndarray, rng: np.random.Generator):
    """Assignments of groups to parts: all of them where they are few, else seeded draws that meet the targets."""
    groups, parts = len(patches), [TRAIN, *wanted]
    if len(parts) ** groups <= _ENUMERATED:
        # In a seeded order, so that among equally good ones another seed takes another.
        for code in rng.permutation(len(parts) ** groups):
            digits = (code // len(parts) ** np.arange(groups)) % len(parts)
            yield np.array(parts)[digits]
        return
    total = patches.sum()
    for _ in range(_DRAWS if groups <= 200 else 200):
        order = rng.permutation(groups)
        reached = (np.cumsum(patches[order]) - patches[order] / 2) / total
        candidate = np.full(groups, TRAIN)
        start = 0.0
        for part in wanted:
            chosen = order[(reached >= start) & (reached < start + targets[part])]
            if not len(chosen):  # a share smaller than any group still gets one
                chosen = order[[np.abs(reached - start - targets[part] / 2).argmin()]]
            candidate[chosen] = part
            start += targets[part]
        yield candidate


def _by_chance(count: int, fractions: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    part = np.full(count, TRAIN, np.int8)
    order = rng.permutation(count)
    validation = min(count - 1, max(1, round(fractions[0] * count))) if fractions[0] > 0 else 0
    test = min(count - validation - 1, max(1, round(fractions[1] * count))) if fractions[1] > 0 else 0
    part[order[:validation]] = VALIDATION
    part[order[validation : validation + max(0, test)]] = TEST
    return part


def _missing_classes(table: PatchTable, part: np.ndarray, names: Sequence[str]) -> list[str]:
    """One sentence for each part that lacks classes, and for each part that is empty."""
    anywhere = table.counts[part >= 0, :-1].sum(axis=0) > 0
    notes = []
    for number, name in enumerate(PARTS):
        here = part == number
        if not here.any():
            if number != TEST:
                notes.append(f"The {name} part is empty.")
            continue
        lacking = [names[int(k)] for k in np.flatnonzero(anywhere & (table.counts[here, :-1].sum(axis=0) == 0))]
        if lacking:
            notes.append(f"No patch of the {name} part shows {' or '.join(lacking)}.")
    return notes


def _random_warning(shared: int) -> list[str]:
    if shared == 0:
        return [
            "Random split: no pixel is shared, but neighbouring patches of one scene are in different parts, so scores will be too high."
        ]
    return [f"Random split: {shared:,} pixels lie in patches of more than one part, so scores will be too high."]


def _few(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
