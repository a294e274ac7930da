"""Cutting scenes into patches on disk, with memory bounded by a slab of rows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.datasets.datasets import Dataset
from core.datasets.same_ground.overlaps import Overlap, same_ground
from core.digests import digest_of, steady_files
from core.errors import DatasetError, InputError, SettingsError
from core.files import Unfinished, refuse_foreign_folder, replacing, take_room, unfinished, write_json
from core.patches.counting import PatchTable, cut_row, patch_table
from core.patches.grid import ScaledPair, count_positions, pad_image, pad_labels, positions, scaled_shape, slabs, small_gdal_cache
from core.patches.labelled import not_labelled
from core.patches.parts import PARTS, TRAIN
from core.patches.settings import PrepareSettings
from core.patches.splits import Split
from core.patches.splits import split as split_dataset
from core.patches.statistics import BandStatistics
from core.patches.store import STORE_FILE, PatchStore
from core.progress import OnProgress, ShouldStop, check, part, report
from core.words import listed, size_words

_VERSION = 1


@small_gdal_cache()
def prepare(
    dataset: Dataset,
    folder: str | os.PathLike,
    settings: PrepareSettings | None = None,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **told: Any,
) -> PatchStore:
    """Cut a data set into patches, divide them into parts, and write both to `folder`.

    Each of the settings can also be told by its name. The last patch of a row or column is moved inwards so that nothing
    is lost; a scene smaller than a patch is filled up by reflection, its mask with 255; unless the rim is to be cropped. Pixels
    without data get the training mean of their band and the label 255.

    Written beside `folder` first and renamed when whole; what a stopped run wrote is taken up again by the next run
    with the same settings. Raises DatasetError, MaskError, SettingsError; Cancelled when stopped.
    """
    folder = Path(folder)
    settings = replace(settings or PrepareSettings(), **told)
    refuse_foreign_folder(folder, STORE_FILE, "a new folder, or one that prepare wrote")
    refuse_changed = steady_files(dataset.files)
    numbers, dtype = check_images(dataset, settings.bands, should_stop=should_stop)
    without = not_labelled(dataset, settings.not_labelled, patch_size=settings.patch_size, scale=settings.scale)
    _check_counts(dataset, settings)
    overlaps = _overlaps(dataset, settings, on_progress=part(on_progress, 0, 1, 4), should_stop=should_stop)
    table = patch_table(
        dataset,
        patch_size=settings.patch_size,
        stride=settings.stride_px,
        scale=settings.scale,
        rim=settings.rim,
        on_progress=part(on_progress, 1, 2, 4),
        should_stop=should_stop,
    )
    validation, test = settings.shares
    parts = split_dataset(
        dataset,
        how=settings.split,
        validation=validation,
        test=test,
        seed=settings.seed,
        min_labelled=settings.min_labelled,
        hold_out=settings.hold_out,
        not_labelled=without,
        counts=settings.counts,
        overlaps=overlaps,
        table=table,
    )
    cutting, pairs = part(on_progress, 1, 2, 2), len(dataset.pairs)
    writer = _Writer.begin(folder, dataset, parts, numbers, dtype)
    for pair in range(writer.next_pair, pairs):
        check(should_stop)
        report(cutting, pair, pairs, f"Cutting {dataset.pairs[pair].name}")
        writer.write_pair(pair)
    try:
        refuse_changed()
    except InputError:
        writer.work.drop()
        raise
    writer.finish()
    report(cutting, pairs, pairs, "Patches written")
    return PatchStore.open(folder)


def _overlaps(
    dataset: Dataset, settings: PrepareSettings, *, on_progress: OnProgress | None, should_stop: ShouldStop | None
) -> tuple[Overlap, ...]:
    """The same ground in different groups, where parts are made of groups and nobody said to leave it."""
    if settings.same_ground != "join" or not (settings.split == "group" or settings.hold_out):
        return ()
    return same_ground(dataset.pairs, on_progress=on_progress, should_stop=should_stop)


def _check_counts(dataset: Dataset, settings: PrepareSettings) -> None:
    """Raise SettingsError for more patches than the grid has, before any of them is read."""
    if settings.counts is None:
        return
    shapes = (scaled_shape(pair, settings.scale) for pair in dataset.pairs)
    there = count_positions(shapes, settings.patch_size, settings.stride_px, settings.rim)
    if sum(settings.counts) > there:
        raise SettingsError(
            f"counts of {listed([str(number) for number in settings.counts])}, {sum(settings.counts)} patches in all",
            expected=f"at most the {there} that {settings.patch_size} px every {settings.stride_px} px give",
            do="Lower the counts, or use a smaller stride",
        )


def check_images(
    dataset: Dataset, bands: Sequence[int | str] | None = None, *, should_stop: ShouldStop | None = None
) -> tuple[tuple[int, ...], str]:
    """Band numbers and dtype that all images share.

    Raises DatasetError when images differ in bands or dtype, SettingsError for a band that they do not have.
    """
    first = dataset.pairs[0].image
    for pair in dataset.pairs:
        check(should_stop)
        image = pair.image
        if (image.bands, image.dtype) != (first.bands, first.dtype):
            raise DatasetError(
                f"{pair.name} has {image.bands} bands of {image.dtype}",
                expected=f"{first.bands} bands of {first.dtype}, as {dataset.pairs[0].name} has",
                do="Put images of one kind in one data set",
            )
    if bands is None:
        return tuple(range(1, first.bands + 1)), first.dtype
    return tuple(_band_number(band, first.bands, first.band_names) for band in bands), first.dtype


def _band_number(band: int | str, count: int, names: tuple[str, ...] | None) -> int:
    text = str(band).strip()
    if names and text.lower() in [name.lower() for name in names]:
        return [name.lower() for name in names].index(text.lower()) + 1
    if text.isdigit() and 1 <= int(text) <= count:
        return int(text)
    choice = f"a number from 1 to {count}" + (f" or one of {', '.join(names)}" if names else "")
    raise SettingsError(f"band {band!r}", expected=choice, do="Choose bands that the images have")


@dataclass(eq=False)
class _Writer:
    """Writes the patches of one pair after another, and remembers how far it is."""

    work: Unfinished
    dataset: Dataset
    split: Split
    bands: tuple[int, ...]
    dtype: str
    chosen: np.ndarray
    statistics: BandStatistics
    counts: np.ndarray
    labelled: np.ndarray
    has_invalid: list[int]
    next_pair: int = 0

    @classmethod
    def begin(cls, folder: Path, dataset: Dataset, split: Split, bands: tuple[int, ...], dtype: str) -> _Writer:
        """Take up an unfinished run with the same settings, or lay out empty files."""
        chosen = np.flatnonzero(split.part >= 0)
        writer = cls(
            work=unfinished(folder, _plan(dataset, split, bands, dtype)),
            dataset=dataset,
            split=split,
            bands=bands,
            dtype=dtype,
            chosen=chosen,
            statistics=BandStatistics.empty(len(bands)),
            counts=np.zeros((len(PARTS), len(dataset.scheme)), np.int64),
            labelled=np.zeros(len(chosen)),
            has_invalid=[],
        )
        # Where an earlier version kept what it had not finished.
        shutil.rmtree(folder.with_name(f".{folder.name}.unfinished"), ignore_errors=True)
        if writer.work.state is None:
            writer._lay_out()
        else:
            writer._take_up(writer.work.state)
        return writer

    @property
    def _size(self) -> int:
        return self.split.table.patch_size

    def _take_up(self, state: dict[str, Any]) -> None:
        self.next_pair = state["next_pair"]
        self.statistics = BandStatistics.from_dict(state["statistics"])
        self.counts = np.array(state["counts"], np.int64)
        self.has_invalid = list(state["has_invalid"])
        self.labelled = np.load(self.work.place / "labelled.npy")

    def _lay_out(self) -> None:
        count, size = len(self.chosen), self._size
        pixel = len(self.bands) * np.dtype(self.dtype).itemsize + 1
        need, free = count * size * size * pixel, shutil.disk_usage(self.work.place).free
        if need > free:
            self.work.drop()
            raise SettingsError(
                f"{count} patches that need {size_words(need)} of disk",
                expected=f"at most the {size_words(free)} that are free",
                do="Use a larger stride or a smaller scale, or another disk",
            )
        for name, shape, dtype in (
            ("images", (count, size, size, len(self.bands)), self.dtype),
            ("masks", (count, size, size), "uint8"),
            ("invalid", (count, -(-size * size // 8)), "uint8"),
        ):
            path = self.work.place / f"{name}.npy"
            np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
            take_room(path)
        self._remember()

    def _remember(self) -> None:
        with replacing(self.work.place / "labelled.npy") as temporary:
            np.save(temporary, self.labelled)
        self.work.remember(next_pair=self.next_pair, statistics=self.statistics.to_dict(), counts=self.counts, has_invalid=self.has_invalid)

    def write_pair(self, pair: int) -> None:
        """Cut the patches of one pair, slab by slab, and write those that were chosen."""
        table = self.split.table
        own = np.flatnonzero(table.pair[self.chosen] == pair)
        slots = {(int(table.row[self.chosen[i]]), int(table.col[self.chosen[i]])): int(i) for i in own}
        reader = ScaledPair(self.dataset.pairs[pair], self.dataset.scheme, table.scale, self.bands)
        pixel = len(self.bands) * np.dtype(self.dtype).itemsize * (1 if table.scale == 1.0 else 6) + 4
        for slab in slabs(reader.shape, self._size, table.stride, bytes_per_pixel=pixel, rim=table.rim) if slots else ():
            wanted = [row for row in slab.patch_rows if any(place[0] == row for place in slots)]
            if not wanted:
                continue
            image, valid = reader.image(slab.start, slab.stop)
            ids = reader.labels(slab.start, slab.stop)
            for row in wanted:
                rows = slice(row - slab.start, row - slab.start + self._size)
                self._write_row(row, slots, image[rows], valid[rows], ids[rows], width=reader.shape[1])
        self.next_pair = pair + 1
        self._remember()

    def _write_row(self, row: int, slots: dict, image: np.ndarray, valid: np.ndarray, ids: np.ndarray, *, width: int) -> None:
        """Write one row of patches. The maps are opened for it alone: pages that stay mapped count as memory."""
        size, stride, rim = self._size, self.split.table.stride, self.split.table.rim
        cols = positions(width, size, stride, rim)
        chosen = [(k, slots[(row, col)]) for k, col in enumerate(cols) if (row, col) in slots]
        images, masks = self._map("images"), self._map("masks")
        patches = cut_row(pad_image(image, size), size, stride, rim)
        labels = cut_row(pad_labels(ids, size), size, stride, rim)
        whole = bool(valid.all())
        valids = None if whole else cut_row(pad_image(valid[..., None], size), size, stride, rim)[..., 0]
        for k, slot in chosen:
            images[slot], masks[slot] = patches[k], labels[k]
            if valids is not None and not valids[k].all():
                self._map("invalid")[slot] = np.packbits(~valids[k])
                self.has_invalid.append(slot)
            self._count(slot, patches[k], labels[k], None if valids is None else valids[k], image.shape[0])

    def _count(self, slot: int, patch: np.ndarray, labels: np.ndarray, valid: np.ndarray | None, height: int) -> None:
        part = self.split.part[self.chosen[slot]]
        classes = len(self.dataset.scheme)
        own = np.bincount(labels.ravel(), minlength=256)[:classes]
        self.counts[part] += own
        self.labelled[slot] = own.sum() / labels.size
        if part == TRAIN:
            pixels = patch.reshape(-1, patch.shape[-1])
            self.statistics = self.statistics.add(pixels if valid is None else pixels[valid.ravel()])

    def _map(self, name: str) -> np.ndarray:
        return np.lib.format.open_memmap(self.work.place / f"{name}.npy", mode="r+")

    def finish(self) -> None:
        """Fill pixels without data, write the records, and put the folder in its place."""
        statistics = self.statistics.summary()
        fill = np.array(statistics["mean"])
        if np.issubdtype(np.dtype(self.dtype), np.integer):
            fill = np.rint(fill)
        for slot in self.has_invalid:
            bits = np.unpackbits(self._map("invalid")[slot], count=self._size**2).astype(bool)
            images = self._map("images")
            images[slot][bits.reshape(self._size, self._size)] = fill.astype(self.dtype)
        table = self.split.table
        np.savez(
            self.work.place / "index.npz",
            pair=table.pair[self.chosen].astype(np.int32),
            row=table.row[self.chosen].astype(np.int32),
            col=table.col[self.chosen].astype(np.int32),
            part=self.split.part[self.chosen],
            labelled=self.labelled,
        )
        write_json(self.work.place / STORE_FILE, self._record(table, statistics))
        self.work.finish(without=("invalid.npy", "labelled.npy"))

    def _record(self, table: PatchTable, statistics: dict[str, Any]) -> dict[str, Any]:
        pairs = self.dataset.pairs
        first = pairs[0].image
        sizes = [size for pair in pairs if (size := pair.image.ground_sample_distance_m) is not None]
        return {
            "format": f"groundline patches {_VERSION}",
            "dataset": str(self.dataset.root),
            "patch_size": table.patch_size,
            "stride": table.stride,
            "scale": table.scale,
            "rim": table.rim,
            "bands": self.bands,
            "band_names": [first.band_names[band - 1] for band in self.bands] if first.band_names else None,
            "dtype": self.dtype,
            "pixel_size_m": float(np.median(sizes)) if sizes else None,
            "scheme": self.dataset.scheme.to_dict(),
            "pairs": [pair.name for pair in pairs],
            "groups": [pair.group for pair in pairs],
            "images": [_below(pair.image_path, self.dataset.root) for pair in pairs],
            "shapes": [pair.shape for pair in pairs],
            "counts": {part: self.counts[k] for k, part in enumerate(PARTS)},
            "statistics": statistics,
            "split": self.split.summary(),
        }


def _below(path: Path, root: Path) -> str:
    """A path as it is told from a folder, where it lies there."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _plan(dataset: Dataset, split: Split, bands: tuple[int, ...], dtype: str) -> str:
    """Digest of everything that decides what is written."""
    table = split.table
    return digest_of(_VERSION, dataset.digest, table.patch_size, table.stride, table.scale, bands, dtype, split.part.tobytes())
