"""Checks of the audit that look at masks and classes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from core.audit.findings import Finding, files_of
from core.audit.survey import PairFacts
from core.classes import ClassScheme
from core.datasets.datasets import Dataset
from core.datasets.masks.outlines import blurred, close
from core.datasets.masks.palettes import load_quietly
from core.datasets.masks.placing import APART, ELSEWHERE, MOVED, PIXELS, WARP
from core.datasets.masks.sampling import declared as declared_codes
from core.datasets.mosaics import Mosaic
from core.datasets.palette_check import conflicting_classes
from core.datasets.remedies import Remedies, Remedy
from core.errors import ClassesError
from core.words import counted, listed, share_words

_LOSSY = (".jpg", ".jpeg", ".webp")
_RARE_FRACTION = 0.005
_MOSTLY = 0.9
_SHARP, _MOVED_PX, _GAIN = 4.0, 3.0, 0.25


def class_file(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """A class file that cannot be read, or that disagrees with the masks."""
    path = dataset.class_file
    if path is None or dataset.remedies.scheme is not None:
        return
    scheme = load_quietly(path)
    if scheme is None:
        yield Finding("warning", "class_file_unreadable", f"{path.name} cannot be used: {_reason(path)}", (path,))
        return
    conflicts = conflicting_classes(dataset, _strangers(facts), _counts(dataset, facts))
    if conflicts:
        declared = len(scheme.names) + len(scheme.ignored_colours)
        remedy = Remedy("Write the colours that the masks show as this data set's classes", Remedies(scheme=dataset.scheme))
        yield Finding(
            "warning",
            "palette_conflict",
            f"{path.name} gives other colours than the masks show for {len(conflicts)} of its {declared} classes: "
            f"{listed(conflicts, 8)}. In use: {dataset.scheme_source}.",
            (path,),
            remedy,
        )


def strange_colours(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Pixels whose colour or value is no class."""
    strangers = _strangers(facts)
    if not strangers:
        return
    total, pixels = sum(strangers.values()), max(1, int(_counts(dataset, facts).sum()))
    names = [one.name for one in facts if one.strangers]
    thing = "colours" if dataset.kind == "colour" else "values"
    most = [f"{code} ({count:,} pixels)" for code, count in Counter(strangers).most_common(4)]
    more = f" and {len(strangers) - 4} more" if len(strangers) > 4 else ""
    known = declared_codes(dataset.scheme, dataset.kind)
    codes = [(from_code(text), count) for text, count in strangers.items()]
    soft = sum(count for code, count in codes if code is not None and blurred(code, known, dataset.kind))
    if len(codes) < 3 and not all(code is not None and close(code, known, dataset.kind) for code, _ in codes):
        soft = 0  # one or two values between the classes are areas of their own, and no outlines
    few = dataset.kind == "colour" and len(strangers) <= 64
    remedy = Remedy("Declare these colours as not labelled", Remedies(ignore_colours=tuple(strangers))) if few else None
    words = ""
    if soft >= _MOSTLY * total:
        words = " They lie close to the classes or between two of them, as soft outlines and lossy saving make them."
        remedy = Remedy(f"Read them as the nearest class {thing[:-1]}", Remedies(snap=True))
    yield Finding(
        "error" if words or total > 0.05 * pixels else "warning",
        "off_palette",
        f"{total:,} mask pixels ({share_words(total / pixels, 2)}) have {thing} that are no class: {', '.join(most)}{more}. "
        f"They count as not labelled.{words}",
        files_of(dataset, names, images=False),
        remedy,
        tuple(names),
    )


def how_masks_are_read(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """What was understood of the masks' form and what was left out of the folder."""
    for note in dataset.notes:
        yield Finding("info", "reading", f"{note}.")


def misplaced_masks(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Masks that say that they lie elsewhere than their image, and those that were turned or moved onto it."""
    sizes = {one.name: one.same_size for one in facts}
    kinds = ((ELSEWHERE, "error", "mask_elsewhere"), (APART, "error", "mask_apart"), (MOVED, "info", "mask_turned"))
    for kind, severity, code in kinds:
        found = [one for one in facts if one.place.kind == kind]
        if not found:
            continue
        names = tuple(one.name for one in found)
        if kind == APART:
            text = (
                f"{counted(len(found), 'mask says that it lies', 'masks say that they lie')} where the image is not, and cannot be used: "
                f"{found[0].name} has {found[0].place.words}. Its coordinates may be wrong, or those of another image."
            )
            remedy: Remedy | None = Remedy("Take them pixel for pixel", Remedies(grid=dict.fromkeys(names, PIXELS)))
            if not all(sizes[name] for name in names):
                remedy = Remedy("Leave these pairs out", Remedies(exclude=names)) if len(names) < len(facts) else None
        elif kind == ELSEWHERE:
            text = (
                f"{counted(len(found), 'mask lies', 'masks lie')} elsewhere than the image and cannot be used: {found[0].name} has "
                f"{found[0].place.words}."
            )
            remedy = Remedy("Bring them to the image's grid by their nearest pixels", Remedies(grid=dict.fromkeys(names, WARP)))
        else:
            text = (
                f"{counted(len(found), 'mask was', 'masks were')} brought to the image's grid: in {found[0].name} {found[0].place.words}."
            )
            remedy = Remedy("Take them pixel for pixel instead", Remedies(grid=dict.fromkeys(names, PIXELS)))
        yield Finding(severity, code, text, files_of(dataset, names), remedy, names)


def lossy_masks(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Masks in a format that blurs colours."""
    names = [pair.name for pair in dataset.pairs if pair.mask_path and pair.mask_path.suffix.lower() in _LOSSY]
    if names:
        yield Finding(
            "error",
            "lossy_masks",
            f"{counted(len(names), 'mask is', 'masks are')} JPEG or WebP, which blur the colours along every outline. "
            "Export them as PNG or TIFF.",
            files_of(dataset, names, images=False),
            None,
            tuple(names),
        )


def missing_classes(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Classes that no mask shows, that a group lacks, and rare ones."""
    names = dataset.scheme.names
    counts = _counts(dataset, facts)[:-1]
    nowhere = [names[k] for k in np.flatnonzero(counts == 0)] if counts.any() else []
    if np.count_nonzero(counts) == 1 and len(facts) > 1:
        only = names[int(np.argmax(counts))]
        yield Finding("warning", "one_class", f"All masks show one class alone, {only}: there is nothing that a model could tell it from.")
    if nowhere:
        yield Finding("warning", "class_nowhere", f"No mask shows {listed(nowhere, 8)}, so a model cannot learn it.")
    by_group = _by_group(dataset, facts)
    if 1 < len(by_group) < len(facts):
        for k in np.flatnonzero(counts > 0):
            without = [group for group, own in by_group.items() if own[k] == 0]
            if without:
                lacking = [one.name for one in facts if one.group in without]
                yield Finding(
                    "warning",
                    "class_missing",
                    f"{names[k]} is missing from {listed(without)} ({len(without)} of {len(by_group)} groups): "
                    "a split that holds one of them out cannot score it there.",
                    files_of(dataset, lacking, images=False),
                    None,
                    tuple(lacking),
                )
    total = max(1, int(counts.sum()))
    for k in np.flatnonzero((counts > 0) & (counts < _RARE_FRACTION * total)):
        yield Finding("info", "class_rare", f"{names[k]} is rare: {share_words(counts[k] / total, 2)} of the labelled pixels.")


def uneven_classes(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Classes whose share differs so much between groups that the choice of the held-out group decides the score."""
    by_group = _by_group(dataset, facts)
    if not 1 < len(by_group) <= 50:
        return
    shares = {group: own / max(1, own.sum()) for group, own in by_group.items() if own.sum()}
    if not shares:
        return
    uneven = []
    for k, name in enumerate(dataset.scheme.names):
        low, high = (pick(shares, key=lambda group: shares[group][k]) for pick in (min, max))
        if shares[high][k] > 0.05 and shares[high][k] > 8 * shares[low][k] > 0:
            uneven.append(f"{name} ({share_words(shares[low][k], 1)} of {low}, {share_words(shares[high][k], 1)} of {high})")
    if uneven:
        yield Finding("info", "class_uneven", f"Some classes are spread unevenly over the groups: {listed(uneven, 8)}.")


def unlabelled(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Masks without a single label, and a large unlabelled share."""
    empty = [one.name for one in facts if one.counts.size and one.counts[:-1].sum() == 0]
    if empty:
        yield Finding(
            "warning",
            "mask_empty",
            f"{counted(len(empty), 'mask shows', 'masks show')} no class at all: {listed(empty)}.",
            files_of(dataset, empty, images=False),
            Remedy("Leave these pairs out", Remedies(exclude=tuple(empty))) if len(empty) < len(facts) else None,
            tuple(empty),
        )
    counts = _counts(dataset, facts)
    share = counts[-1] / max(1, counts.sum())
    if share > 0.3:
        yield Finding("info", "unlabelled", f"{share_words(share)} of all mask pixels are not labelled.")


def shifted_masks(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Masks whose outlines fit the image clearly better when they are moved."""
    moves = {}
    for one in facts:
        shift = one.shift
        if shift is None or shift.sharpness < _SHARP or np.hypot(shift.rows, shift.columns) < _MOVED_PX:
            continue
        # On a picture made smaller by f, one step of the search is f pixels: less than two steps may be rounding.
        step = max(one.height, one.width) / 512
        if np.hypot(shift.rows, shift.columns) >= 2 * step and shift.best - shift.unmoved >= _GAIN * shift.best:
            moves[one.name] = (round(shift.rows), round(shift.columns))
    if moves:
        most = [f"{name} by {rows:+d} rows and {cols:+d} columns" for name, (rows, cols) in list(moves.items())[:3]]
        more = f" and {len(moves) - 3} more" if len(moves) > 3 else ""
        yield Finding(
            "warning",
            "mask_shifted",
            f"{counted(len(moves), 'mask fits its image', 'masks fit their images')} better when moved: {'; '.join(most)}{more}.",
            files_of(dataset, list(moves)),
            Remedy("Move these masks when they are read", Remedies(shifts_px=moves)),
            tuple(moves),
        )


def from_code(text: str) -> int | None:
    """The code of a colour ("#RRGGBB") or value ("7") as it is told; None for what is neither."""
    try:
        return int(text[1:], 16) if text.startswith("#") else int(text)
    except ValueError:
        return None


def _reason(path) -> str:
    try:
        ClassScheme.load(path)
    except ClassesError as error:
        return f"{error.found}."
    return ""


def _strangers(facts: Sequence[PairFacts]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in facts:
        total.update(one.strangers)
    return dict(total)


def _counts(dataset: Dataset, facts: Sequence[PairFacts]) -> np.ndarray:
    total = np.zeros(len(dataset.scheme) + 1, np.int64)
    for one in facts:
        if one.counts.size:
            total += one.counts
    return total


def _by_group(dataset: Dataset, facts: Sequence[PairFacts]) -> dict[str, np.ndarray]:
    """Pixels of each class in each group, int64 (K,)."""
    groups: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(dataset.scheme), np.int64))
    for one in facts:
        if one.counts.size:
            groups[one.group] += one.counts[:-1]
    return dict(groups)


CHECKS = (
    class_file,
    how_masks_are_read,
    misplaced_masks,
    strange_colours,
    lossy_masks,
    missing_classes,
    uneven_classes,
    unlabelled,
    shifted_masks,
)
