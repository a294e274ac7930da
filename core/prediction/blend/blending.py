"""A whole scene through a network by overlapping patches, in bands of rows, without seams.

Overlapping patches are weighted by a tapered window, summed and divided by the summed weights (the overlap-add idea
that U-Net's authors and many after them use). Only one band of patches is held at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from core.errors import ModelError
from core.prediction.blend.kernels import accumulate, add_jumps, take_rows, turns
from core.prediction.blend.plans import BlendPlan, Strip
from core.prediction.blend.resizing import resize_cols, resize_rows
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.scene import Window

Network = Callable[[np.ndarray], np.ndarray]
"""Patches (n, height, width, bands) -> float32 (n, height, width, classes)."""

_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class BlendResult:
    """Patches that went through the network, seconds spent in it, and how visible the patch borders are.

    `seam_score` is the mean jump of the output across patch borders over the mean jump elsewhere: 1.0 is seamless,
    NaN means that there was no border or no jump.
    """

    windows: int
    model_seconds: float
    seam_score: float


@dataclass
class Tally:
    """What the runs of one blend have done together, kept as rows are written, so that a run that goes on can tell of all.

    Jumps between pixels and how many pairs they are the sum of, across patch borders and elsewhere. Patches and rows that were done
    again after an interruption count each time.
    """

    windows: int = 0
    model_seconds: float = 0.0
    border_jumps: float = 0.0
    border_pairs: int = 0
    other_jumps: float = 0.0
    other_pairs: int = 0

    @property
    def seam_score(self) -> float:
        """See `BlendResult`."""
        if self.border_pairs == 0 or self.other_jumps == 0:
            return float("nan")
        return (self.border_jumps / self.border_pairs) / (self.other_jumps / self.other_pairs)


def blend(
    plan: BlendPlan,
    read: Callable[[Window], np.ndarray],
    network: Network,
    write: Callable[[Window, np.ndarray], None],
    *,
    classes: int,
    valid: Callable[[Window], np.ndarray] | None = None,
    fill: float | np.ndarray = 0.0,
    batch_size: int = 1,
    done: tuple[int, int] = (0, 0),
    tally: Tally | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> BlendResult:
    """Put a scene through `network` and hand its blended output (h, w, classes) float32 to `write`, window by window.

    `read(window)` gives pixels (h, w, bands), `valid(window)` bool (h, w). Pixels that are not valid, and NaN, become
    `fill` (one number or one per band); patches without any valid pixel are left out and written as 0. Windows come
    strip by strip, each strip from top to bottom, and cover the plan's region; a thread writes and another one reads,
    also what lies around the region. `done` = (strip, scene row to go on from) resumes an interrupted run,
    and `tally` is what that had counted; it is brought up to date before each call of `write`. Raises ModelError when the network's
    output has the wrong shape.
    """
    tally = Tally() if tally is None else tally
    run = _Run(plan, read, valid, network, write, classes, np.asarray(fill), batch_size, tally, on_progress, should_stop)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        for number, strip in enumerate(plan.strips):
            if number >= done[0]:
                run.strip(number, strip, done[1] if number == done[0] else 0, reader, writer)
    run.count()
    return BlendResult(tally.windows, tally.model_seconds, tally.seam_score)


def bytes_per_column(plan: BlendPlan, *, bands: int, itemsize: int, classes: int) -> int:
    """Memory of `blend` for each column of a strip on the network's grid."""
    pixel = bands * (4 if plan.row_taps else itemsize)
    read_ahead = plan.row_step * bands * (itemsize / plan.scale**2 + 8) if plan.row_taps else plan.row_step * pixel
    ring = plan.patch_height * classes * 4
    finished = 2 * plan.row_step * classes * 4
    chunk = _ROWS_AT_ONCE * classes * (8 / plan.scale if plan.row_taps else 4)
    return round(ring + finished + chunk + 2 * (plan.patch_height * (pixel + 1)) + read_ahead)


class _Run:
    """The state of one call of `blend`."""

    def __init__(self, plan, read, valid, network, write, classes, fill, batch_size, tally, on_progress, should_stop):
        self.plan, self.network, self.classes = plan, network, classes
        self.tally, self.earlier = tally, replace(tally)
        self.source = _NetGrid(plan, read, valid, fill)
        self.batch_size, self.on_progress, self.should_stop = batch_size, on_progress, should_stop
        self.tapers = plan.tapers()
        row_sums, col_sums = plan.weight_sums()
        self.row_scale, self.col_scale = (1 / row_sums).astype(np.float32), (1 / col_sums).astype(np.float32)
        self.turns = turns(plan.patch_height, plan.patch_width, plan.symmetries)
        self.seams = _Seams(plan)
        self.windows, self.looked_at, self.model_seconds = 0, 0, 0.0

        def counted(part: Window, probabilities: np.ndarray) -> None:
            self.count()
            write(part, probabilities)

        self.write = counted

    def count(self) -> None:
        """Bring the tally up to date."""
        (border_jumps, border_pairs), (other_jumps, other_pairs) = self.seams.sums()
        mine = Tally(self.windows, self.model_seconds, border_jumps, border_pairs, other_jumps, other_pairs)
        for name, before in vars(self.earlier).items():
            setattr(self.tally, name, before + getattr(mine, name))

    def strip(self, number: int, strip: Strip, rows_done: int, reader: ThreadPoolExecutor, writer: ThreadPoolExecutor) -> None:
        plan, size, step = self.plan, self.plan.patch_height, self.plan.row_step
        rows_done = max(rows_done, plan.region.row)
        if rows_done >= plan.region.row_stop:
            return
        first_row, last_row = plan.net_rows(rows_done)
        starts, all_starts = plan.rows_touching(rows_done), plan.rows_touching(plan.region.row)
        self.looked_at = len(all_starts) * sum(len(s.col_starts) for s in plan.strips[:number])
        self.looked_at += (len(all_starts) - len(starts)) * len(strip.col_starts)
        origin = strip.col_starts[0]
        cols = origin, strip.col_starts[-1] + plan.patch_width
        total = np.zeros((size, cols[1] - cols[0], self.classes), np.float32)
        output = _Output(plan, strip, self.write, first_row, rows_done, self.seams)
        coming = reader.submit(self.source.rows, starts[0], starts[0] + size, cols)
        pixels = valid = None
        going: Future | None = None
        base = 0
        try:
            for index, start in enumerate(starts):
                new_pixels, new_valid = coming.result()
                pixels = new_pixels if pixels is None else np.concatenate([pixels[step:], new_pixels])
                valid = new_valid if valid is None else np.concatenate([valid[step:], new_valid])
                if index + 1 < len(starts):
                    coming = reader.submit(self.source.rows, start + size, start + size + step, cols)
                self._band(pixels, valid, strip, origin, total, base)
                stop = starts[index + 1] if index + 1 < len(starts) else last_row
                finished = self._finish(total, base, start, stop, strip, origin)
                low = stop - len(finished)
                finished_valid = valid[low - start : stop - start, strip.net_col - origin : strip.net_stop - origin]
                base = (base + step) % size
                if going is not None:
                    going.result()
                going = writer.submit(output.push, low, finished, finished_valid.copy())
        finally:
            if going is not None:
                going.result()

    def _band(self, pixels, valid, strip, origin, total, base) -> None:
        width = self.plan.patch_width
        filled = [start for start in strip.col_starts if valid[:, start - origin : start - origin + width].any()]
        self.looked_at += len(strip.col_starts) - len(filled)
        for at in range(0, len(filled), self.batch_size):
            check(self.should_stop)
            chosen = filled[at : at + self.batch_size]
            patches = np.stack([pixels[:, start - origin : start - origin + width] for start in chosen])
            for quarters, mirrored, turn in self.turns:
                for start, patch in zip(chosen, self._call(_turned(patches, quarters, mirrored)), strict=True):
                    accumulate(total, patch, *self.tapers, base, start - origin, turn, np.float32(1 / len(self.turns)))
            self.windows += len(chosen)
            self.looked_at += len(chosen)
            report(self.on_progress, self.looked_at, self.plan.windows, "Predicting")

    def _call(self, patches: np.ndarray) -> np.ndarray:
        begun = time.perf_counter()
        result = self.network(patches)
        self.model_seconds += time.perf_counter() - begun
        expected = (*patches.shape[:3], self.classes)
        if tuple(result.shape) != expected:
            raise ModelError(
                f"a network that answers {tuple(result.shape)} to {patches.shape}",
                expected=f"{expected}: one probability per pixel and class",
                do="Use a segmentation network whose output is as large as its input",
            )
        return np.ascontiguousarray(result, np.float32)

    def _finish(self, total, base, start, stop, strip, origin) -> np.ndarray:
        """Rows start..stop - 1 of the network's grid, those above the scene left out; the ring's rows are cleared."""
        above = max(0, -start)
        scale = np.ones(stop - start, np.float32)
        scale[above:] = self.row_scale[max(0, start) : max(0, stop)]
        out = np.empty((stop - start, strip.net_stop - strip.net_col, self.classes), np.float32)
        take_rows(total, base, scale, self.col_scale[strip.net_col : strip.net_stop], strip.net_col - origin, out)
        return out[above:]


class _NetGrid:
    """The scene on the network's grid: resized where the plan says so, reflected beyond its rim, without gaps."""

    def __init__(self, plan: BlendPlan, read, valid, fill: np.ndarray):
        self.plan, self.read, self.valid, self.fill = plan, read, valid, fill

    def rows(self, start: int, stop: int, cols: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (rows, columns, bands) and where they matter, for rows start..stop - 1 and columns cols[0]..cols[1] - 1."""
        rows, columns = _Reflection(start, stop, self.plan.net_height), _Reflection(*cols, self.plan.net_width)
        block = self._resized if self.plan.row_taps else self._plain
        pixels, valid = block(rows.low, rows.high, columns.low, columns.high)
        return columns.along(rows.along(pixels, 0), 1), columns.along(rows.along(valid, 0), 1)

    def _plain(self, low, high, left, right) -> tuple[np.ndarray, np.ndarray]:
        window = Window(low, left, high - low, right - left)
        pixels = self.read(window)
        valid = np.ones(pixels.shape[:2], bool) if self.valid is None else self.valid(window)
        return self._filled(pixels, valid), valid

    def _resized(self, low, high, left, right) -> tuple[np.ndarray, np.ndarray]:
        # One row more on each side: bilinear outputs beside it need the patches that only touch it.
        above, below = max(low - 1, 0), min(high + 1, self.plan.net_height)
        by_rows, by_cols = self.plan.row_taps[0], self.plan.col_taps[0]
        top, bottom = by_rows.needed(above, below)
        first, last = by_cols.needed(left, right)
        pixels, valid = self._plain(top, bottom, first, last)
        inside = slice(low - above, low - above + high - low)

        def resize(values: np.ndarray) -> np.ndarray:
            mixed = resize_rows(values, top, by_rows, above, below)
            return resize_cols(mixed, first, by_cols, left, right)

        if valid.all():
            return resize(pixels)[inside], np.ones((high - low, right - left), bool)
        share = resize(valid[..., None].astype(np.uint8))
        mean = resize(np.where(valid[..., None], pixels, 0).astype(np.float32)) / np.maximum(share, 1e-6)
        mean = np.where(share > 0, mean, self.fill).astype(np.float32)
        return mean[inside], _grown(share[..., 0] > 0)[inside]

    def _filled(self, pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
        known = valid[..., None]
        if np.issubdtype(pixels.dtype, np.floating):
            known = known & np.isfinite(pixels)
        return pixels if known.all() else np.where(known, pixels, self.fill.astype(pixels.dtype))


class _Output:
    """Finished rows of one strip on their way to the scene's grid and to `write`."""

    def __init__(self, plan: BlendPlan, strip: Strip, write, first_row: int, rows_done: int, seams: _Seams):
        self.plan, self.strip, self.write, self.seams = plan, strip, write, seams
        self.first_row, self.next_row = first_row, rows_done
        self.kept, self.kept_first = None, first_row
        self.above, self.above_valid = None, None

    def push(self, low: int, rows: np.ndarray, valid: np.ndarray) -> None:
        """Take rows low.. of the network's grid (n, w, K), which follow the ones before."""
        rows, valid, low = rows[max(0, self.first_row - low) :], valid[max(0, self.first_row - low) :], max(low, self.first_row)
        if len(rows) == 0:
            return
        self.seams.add(low, self.strip.net_col, rows, valid, self.above, self.above_valid)
        self.above, self.above_valid = rows[-1].copy(), valid[-1].copy()
        if self.plan.row_taps is None:
            for at in range(0, len(rows), _ROWS_AT_ONCE):
                self._write(rows[at : at + _ROWS_AT_ONCE])
            return
        by_rows, by_cols = self.plan.row_taps[1], self.plan.col_taps[1]
        self.kept = rows if self.kept is None else np.concatenate([self.kept, rows])
        ready = min(by_rows.ready(low + len(rows)), self.plan.region.row_stop)
        while self.next_row < ready:
            stop = min(ready, self.next_row + _ROWS_AT_ONCE)
            mixed = resize_rows(self.kept, self.kept_first, by_rows, self.next_row, stop)
            self._write(resize_cols(mixed, self.strip.net_col, by_cols, self.strip.col, self.strip.col_stop))
        needed = int(by_rows.first[self.next_row]) if self.next_row < self.plan.region.row_stop else low + len(rows)
        self.kept, self.kept_first = self.kept[needed - self.kept_first :].copy(), needed

    def _write(self, rows: np.ndarray) -> None:
        self.write(Window(self.next_row, self.strip.col, len(rows), rows.shape[1]), rows)
        self.next_row += len(rows)


class _Seams:
    """Jumps between neighbouring pixels, summed by row and by column of the network's grid."""

    def __init__(self, plan: BlendPlan):
        self.plan = plan
        self.rows, self.row_pairs = np.zeros(plan.net_height), np.zeros(plan.net_height, np.int64)
        self.cols, self.col_pairs = np.zeros(plan.net_width), np.zeros(plan.net_width, np.int64)

    def add(self, row: int, col: int, values: np.ndarray, valid: np.ndarray, above, above_valid) -> None:
        if above is None:
            above, above_valid = values[0], np.zeros(valid.shape[1], bool)
        rows, cols = slice(row, row + values.shape[0]), slice(col, col + values.shape[1])
        add_jumps(values, valid, above, above_valid, self.cols[cols], self.col_pairs[cols], self.rows[rows], self.row_pairs[rows])

    def sums(self) -> tuple[tuple[float, int], tuple[float, int]]:
        """Jumps and pairs across patch borders, and elsewhere."""
        at_border, elsewhere = np.zeros(2), np.zeros(2)
        for starts, length, jumps, pairs in (
            (self.plan.row_starts, self.plan.patch_height, self.rows, self.row_pairs),
            (self.plan.col_starts, self.plan.patch_width, self.cols, self.col_pairs),
        ):
            borders = np.array([at for start in starts for at in (start, start + length) if 0 < at < len(jumps)], int)
            border = np.zeros(len(jumps), bool)
            border[borders] = True
            at_border += jumps[border].sum(), pairs[border].sum()
            elsewhere += jumps[~border].sum(), pairs[~border].sum()
        return (float(at_border[0]), int(at_border[1])), (float(elsewhere[0]), int(elsewhere[1]))


class _Reflection:
    """Places start..stop - 1 of a row of `length` that is mirrored at its first and last pixel, again and again.

    They lie in low..high - 1 of the row.
    """

    def __init__(self, start: int, stop: int, length: int):
        period = max(1, 2 * (length - 1))
        places = np.abs(np.arange(start, stop)) % period
        self.places = np.where(places >= length, period - places, places)
        self.low, self.high = int(self.places.min()), int(self.places.max()) + 1
        self.before, self.after = max(0, -start), max(0, stop - length)

    def along(self, values: np.ndarray, axis: int) -> np.ndarray:
        """`values` of low..high - 1 along an axis, for each of the places; only what is mirrored is picked one by one."""
        if not (self.before or self.after):
            return values
        places = self.places - self.low
        if self.before + self.after >= len(places):
            return np.take(values, places, axis)
        stop = len(places) - self.after
        plain = (slice(None),) * axis + (slice(int(places[self.before]), int(places[stop - 1]) + 1),)
        parts = np.take(values, places[: self.before], axis), values[plain], np.take(values, places[stop:], axis)
        return np.concatenate(parts, axis)


def _turned(patches: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
    if not (quarters or mirrored):
        return patches
    return np.ascontiguousarray(np.rot90(patches[:, :, ::-1] if mirrored else patches, quarters, axes=(1, 2)))


def _grown(mask: np.ndarray) -> np.ndarray:
    """The mask with its neighbours above, below, left and right, and at the corners."""
    rows = mask.copy()
    rows[1:] |= mask[:-1]
    rows[:-1] |= mask[1:]
    grown = rows.copy()
    grown[:, 1:] |= rows[:, :-1]
    grown[:, :-1] |= rows[:, 1:]
    return grown
