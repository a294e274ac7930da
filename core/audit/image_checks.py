"""Checks of the audit that look at files, images and how they lie together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from core.audit.findings import Finding, files_of
from core.audit.survey import PairFacts
from core.datasets.datasets import Dataset
from core.datasets.masks.placing import APART
from core.datasets.mosaics import Mosaic
from core.datasets.remedies import Remedies, Remedy
from core.words import counted, listed, share_words

_CROPPABLE_FRACTION = 0.02
_ALIKE_CORRELATION = 0.997
_ALIKE_DIFFERENCE = 0.015
_FLAT_FRACTION = 0.02
_MUCH_NODATA = 0.2


def unreadable(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Images and masks that cannot be read."""
    for what in ("image", "mask"):
        bad = [one for one in facts if one.unreadable == what]
        if bad:
            names = [one.name for one in bad]
            yield Finding(
                "error",
                f"{what}_unreadable",
                f"{counted(len(bad), what)} cannot be read: {listed(names)}. {bad[0].error}",
                files_of(dataset, names, masks=what == "mask", images=what == "image"),
                Remedy("Leave these pairs out", Remedies(exclude=tuple(names))) if len(bad) < len(facts) else None,
                tuple(names),
            )


def unpaired(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Images without mask and masks without image."""
    alone = set(dataset.images_alone)
    for files, what, other in (
        ([path for path in dataset.unpaired if path in alone], "image", "mask"),
        ([path for path in dataset.unpaired if path not in alone], "mask", "image"),
    ):
        if files:
            names = listed([path.name for path in files])
            yield Finding("warning", f"{what}_unpaired", f"{counted(len(files), what)} without {other}, left out: {names}.", tuple(files))


def sizes(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Masks of another size than their image, and images of one group that differ in size."""
    cropped = {pair.name for pair in dataset.pairs if pair.crop}
    differ = [one for one in facts if one.mask_height and not one.same_size and one.name not in cropped and one.place.kind != APART]
    if differ:
        names = tuple(one.name for one in differ)
        one = differ[0]
        small = all(
            abs(f.height - f.mask_height) <= _CROPPABLE_FRACTION * f.height and abs(f.width - f.mask_width) <= _CROPPABLE_FRACTION * f.width
            for f in differ
        )
        remedy: Remedy | None = Remedy("Cut image and mask to the part they share", Remedies(crop=names))
        if not small:
            remedy = Remedy("Leave these pairs out", Remedies(exclude=names)) if len(differ) < len(facts) else None
        yield Finding(
            "error",
            "size_mismatch",
            f"{counted(len(differ), 'mask differs', 'masks differ')} in size from the image: {one.name} has {one.height} x {one.width} "
            f"pixels (height x width), its mask {one.mask_height} x {one.mask_width}.",
            files_of(dataset, names),
            remedy,
            names,
        )
    groups = defaultdict(set)
    for one in facts:
        if one.height:
            groups[one.group].add((one.height, one.width))
    uneven = [
        group
        for group, shapes in groups.items()
        if len(shapes) > 1 and np.ptp([h for h, _ in shapes]) <= 2 and np.ptp([w for _, w in shapes]) <= 2
    ]
    if uneven:
        yield Finding("info", "size_uneven", f"Images of one group differ in size by a pixel or two in {listed(uneven, 8)}.")


def kinds(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Images that differ in bands or dtype, and in pixel size."""
    found = Counter((one.bands, one.dtype) for one in facts if one.bands)
    if len(found) > 1:
        (bands, dtype), _ = found.most_common(1)[0]
        odd = tuple(one.name for one in facts if one.bands and (one.bands, one.dtype) != (bands, dtype))
        yield Finding(
            "error",
            "kinds_differ",
            f"{counted(len(odd), 'image is', 'images are')} not {bands} bands of {dtype} like the others: {listed(odd)}.",
            files_of(dataset, odd, masks=False),
            Remedy("Leave these pairs out", Remedies(exclude=odd)),
            odd,
        )
    pixel_sizes = [one.pixel_size_m for one in facts if one.pixel_size_m]
    if pixel_sizes and max(pixel_sizes) > 1.1 * min(pixel_sizes):
        yield Finding(
            "info",
            "pixel_size_varies",
            f"Pixel sizes run from {min(pixel_sizes):.2f} m to {max(pixel_sizes):.2f} m: things differ in size between images.",
        )


def transparency(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Bands that are marked as transparency and are none."""
    found = [one for one in facts if one.transparent]
    if found and not dataset.remedies.alpha:
        names = tuple(one.name for one in found)
        yield Finding(
            "info",
            "alpha_is_data",
            f"Band {found[0].transparent[0]} of {counted(len(found), 'image')} is marked as transparency but holds other values than 0 "
            "and the largest, so it is read as a band (often near infrared).",
            files_of(dataset, names, masks=False),
            Remedy("Read it as transparency", Remedies(alpha="transparency")),
            names,
        )


def turned_photos(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Photographs that say that they are to be turned before they are looked at."""
    names = tuple(one.name for one in facts if one.turned)
    if names:
        yield Finding(
            "warning",
            "exif_turned",
            f"{counted(len(names), 'image is', 'images are')} marked to be turned when shown (EXIF orientation) and read as stored: masks "
            "that were drawn in a picture viewer do not fit. Save the images turned.",
            files_of(dataset, names, masks=False),
            None,
            names,
        )


def continuing(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Images that continue each other, and groupings that part them."""
    together = [mosaic for mosaic in mosaics if len(mosaic.groups) == 1]
    if together:
        shapes = [f"{mosaic.group} ({mosaic.rows} x {mosaic.columns})" for mosaic in together]
        yield Finding(
            "info",
            "mosaic",
            f"The images of {counted(len(together), 'group')} continue each other and make one scene each: {listed(shapes, 8)}. "
            "Only a split by group keeps neighbours together.",
            pairs=tuple(name for mosaic in together for name in mosaic.names),
        )
    for mosaic in mosaics:
        if len(mosaic.groups) > 1:
            yield Finding(
                "warning",
                "mosaic_parted",
                f"{counted(len(mosaic.names), 'image')} make one scene of {mosaic.rows} x {mosaic.columns} but count as "
                f"{len(mosaic.groups)} groups, so a split would put neighbours into different parts.",
                files_of(dataset, mosaic.names, masks=False),
                Remedy("Make them one group", Remedies(groups={name: mosaic.group for name in mosaic.names})),
                mosaic.names,
            )


def alike(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Nearly identical images."""
    groups = same_images(facts)
    if not groups:
        return
    second = tuple(facts[i].name for group in groups for i in group[1:])
    apart = any(len({facts[i].group for i in group}) > 1 for group in groups)
    examples = [" = ".join(facts[i].name for i in group[:3]) for group in groups]
    more = " Some lie in different groups, so a split would put the same picture on both sides." if apart else ""
    yield Finding(
        "warning",
        "images_alike",
        f"{counted(len(second), 'image is', 'images are')} nearly identical to another: {listed(examples, 3)}.{more}",
        files_of(dataset, [facts[i].name for group in groups for i in group], masks=False),
        Remedy("Leave the doubles out", Remedies(exclude=second)),
        second,
    )


def same_images(facts: Sequence[PairFacts]) -> list[list[int]]:
    """Groups of positions whose thumbnails are nearly equal; plain pictures (all water) are not compared."""
    pictures = {i: one.thumb for i, one in enumerate(facts) if one.thumb is not None}
    by_bands = defaultdict(list)
    for i, thumb in pictures.items():
        by_bands[thumb.shape].append(i)
    parent = {i: i for i in pictures}
    for members in by_bands.values():
        thumbs = np.stack([pictures[i].ravel() for i in members])
        low, high = np.percentile(thumbs, (1, 99))
        thumbs = (thumbs - low) / max(high - low, 1e-9)
        centred = thumbs - thumbs.mean(axis=1, keepdims=True)
        spread = centred.std(axis=1)
        unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        for k in range(len(members) - 1):
            close = np.flatnonzero((unit[k + 1 :] @ unit[k] > _ALIKE_CORRELATION) & (spread[k + 1 :] > _FLAT_FRACTION)) + k + 1
            for m in close if spread[k] > _FLAT_FRACTION else ():
                if np.abs(thumbs[m] - thumbs[k]).mean() < _ALIKE_DIFFERENCE:
                    parent[_root(parent, members[m])] = _root(parent, members[k])
    groups = defaultdict(list)
    for i in pictures:
        groups[_root(parent, i)].append(i)
    return [group for group in groups.values() if len(group) > 1]


def nodata(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """Images with pixels without data."""
    names = tuple(one.name for one in facts if one.nodata_fraction > 0)
    if names:
        pixels = sum(one.height * one.width for one in facts)
        share = sum(one.nodata_fraction * one.height * one.width for one in facts) / max(1, pixels)
        worst = max(facts, key=lambda one: one.nodata_fraction)
        yield Finding(
            "warning" if worst.nodata_fraction > _MUCH_NODATA else "info",
            "nodata",
            f"{counted(len(names), 'image has', 'images have')} pixels without data ({share_words(share, 1)} of all; most in {worst.name}: "
            f"{share_words(worst.nodata_fraction)}). They are left out of statistics, training and scores.",
            files_of(dataset, names, masks=False),
            None,
            names,
        )


def groups(dataset: Dataset, facts: Sequence[PairFacts], mosaics: Sequence[Mosaic]) -> Iterator[Finding]:
    """A data set whose groups are too few to hold one out."""
    if len(dataset.groups) == 1:
        yield Finding("info", "one_group", "There is only one group, so the split cuts blocks with a guard band inside its scenes.")
    if facts and not any(one.pixel_size_m for one in facts):
        yield Finding("info", "no_georeference", "No image says where it lies, so areas are in pixels until you give a pixel size.")


def _root(parent: dict[int, int], i: int) -> int:
    while parent[i] != i:
        i = parent[i]
    return i


CHECKS = (unreadable, unpaired, sizes, kinds, transparency, turned_photos, continuing, alike, nodata, groups)
