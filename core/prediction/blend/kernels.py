"""Inner loops of prediction, compiled once per machine: they cost a few percent of a network's time."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled


@compiled(fastmath=True)
def accumulate(total, patch, row_taper, col_taper, base, col, turn, factor):
    """Add a patch (n, m, K), turned back by `turn`, times the window and `factor`, to the ring of rows `total` (n, w, K).

    `base` is the ring row of the patch's first row, `col` its first column. `turn` (2, 3) int64 gives the patch row and
    column of the pixel (i, j) as turn[:, 0] + turn[:, 1] * i + turn[:, 2] * j.
    """
    size, width, classes = total.shape[0], len(col_taper), patch.shape[2]
    upright = turn[0, 1] == 1 and turn[1, 2] == 1 and turn[0, 0] == 0 and turn[1, 0] == 0
    weights = np.empty(width * classes, np.float32)
    for j in range(width):
        weights[j * classes : (j + 1) * classes] = col_taper[j] * factor
    for i in range(size):
        ring = base + i
        if ring >= size:
            ring -= size
        if upright:
            target, source = total[ring, col : col + width].reshape(-1), patch[i].reshape(-1)
            row_weight = row_taper[i]
            for at in range(width * classes):
                target[at] += row_weight * weights[at] * source[at]
            continue
        for j in range(width):
            weight = row_taper[i] * weights[j * classes]
            row = turn[0, 0] + turn[0, 1] * i + turn[0, 2] * j
            column = turn[1, 0] + turn[1, 1] * i + turn[1, 2] * j
            for k in range(classes):
                total[ring, col + j, k] += weight * patch[row, column, k]


@compiled
def take_rows(total, base, row_scale, col_scale, first_col, out):
    """Divide the ring's next rows by their weights into `out` (rows, cols, K) and clear them for the rows to come."""
    rows, cols, classes = out.shape
    size = total.shape[0]
    scale = np.repeat(col_scale, classes)
    for i in range(rows):
        ring = (base + i) % size
        source, target = total[ring, first_col : first_col + cols].reshape(-1), out[i].reshape(-1)
        for at in range(cols * classes):
            target[at] = source[at] * (row_scale[i] * scale[at])
        total[ring] = 0.0


@compiled
def add_jumps(rows, valid, before, before_valid, col_jumps, col_pairs, row_jumps, row_pairs):
    """Add the absolute differences between neighbouring valid pixels of `rows` (n, w, K) to sums per column and per row.

    `before` (w, K) is the row above the first one. `col_jumps[j]` is the sum between columns j - 1 and j in every fourth
    row, `row_jumps[i]` that between rows i - 1 and i in every fourth column; `*_pairs` count the pixel pairs.
    """
    n, width, classes = rows.shape
    for i in range(n):
        for j in range(1, width if i % 4 == 0 else 0):
            if valid[i, j] and valid[i, j - 1]:
                for k in range(classes):
                    col_jumps[j] += abs(rows[i, j, k] - rows[i, j - 1, k])
                col_pairs[j] += 1
        above, above_valid = (rows[i - 1], valid[i - 1]) if i > 0 else (before, before_valid)
        for j in range(0, width, 4):
            if valid[i, j] and above_valid[j]:
                for k in range(classes):
                    row_jumps[i] += abs(rows[i, j, k] - above[j, k])
                row_pairs[i] += 1


@compiled
def mix_rows(source, source_first, first, weights, out):
    """out[i] = sum over t of weights[i, t] * source[first[i] + t - source_first], rows of (n, w, K) float32."""
    rows = out.shape[0]
    for i in range(rows):
        # Along a whole row of numbers at once; `source` is contiguous.
        target = out[i].reshape(-1)
        target[:] = 0.0
        for t in range(weights.shape[1]):
            weight = weights[i, t]
            if weight != 0.0:
                line = source[first[i] + t - source_first].reshape(-1)
                for at in range(len(line)):
                    target[at] += weight * line[at]


@compiled(fastmath=True)
def mix_cols(source, source_first, first, weights, out):
    """out[:, j] = sum over t of weights[j, t] * source[:, first[j] + t - source_first], columns of (n, w, K) float32."""
    rows, width, classes = out.shape
    taps, last = weights.shape[1], source.shape[1] - 1
    # Where each number of a row comes from: one loop over all classes and columns instead of a short one for each pixel.
    places, shares = np.empty((taps, width * classes), np.int32), np.empty((taps, width * classes), np.float32)
    for t in range(taps):
        for j in range(width):
            for k in range(classes):
                places[t, j * classes + k] = min(first[j] + t - source_first, last) * classes + k
                shares[t, j * classes + k] = weights[j, t]
    for i in range(rows):
        line, target = source[i].reshape(-1), out[i].reshape(-1)
        for at in range(width * classes):
            target[at] = shares[0, at] * line[places[0, at]]
        for t in range(1, taps):
            for at in range(width * classes):
                target[at] += shares[t, at] * line[places[t, at]]


@compiled
def temper(probabilities, powers, out):
    """Probabilities float32 (n, w, K) to `out`: raised to a power and divided by their sum; pixels without any stay 0.

    powers: float32 (C + 1,), what 0, 1 / C, ... 1 squared become when they are raised; between them runs a straight line, which for
    4096 cells and powers from 0.5 on is true to 1e-5. A runner-up stays below the winner.
    """
    rows, width, classes = probabilities.shape
    cells = np.float32(powers.size - 1)
    least, below = np.float32(1e-7), np.float32(1 - 1.2e-7)
    line = np.empty(classes, np.float32)
    for i in range(rows):
        for j in range(width):
            highest = np.float32(0)
            for k in range(classes):
                highest = max(highest, probabilities[i, j, k])
            if highest <= 0:
                for k in range(classes):
                    out[i, j, k] = np.float32(0)
                continue
            share, total, top = np.float32(1) / max(highest, least), np.float32(0), np.float32(0)
            for k in range(classes):
                at = np.sqrt(max(probabilities[i, j, k], least * highest) * share) * cells
                cell = min(np.int32(at), powers.size - 2)
                line[k] = powers[cell] + (at - np.float32(cell)) * (powers[cell + 1] - powers[cell])
                total += line[k]
                top = max(top, line[k])
            for k in range(classes):
                value = line[k] if probabilities[i, j, k] == highest else min(line[k], top * below)
                out[i, j, k] = value / total


@compiled(fastmath=True)
def quantise(probabilities, valid, out, labels):
    """Probabilities (n, w, K) in 0..1 to `out` (n, K, w) uint8, 255 = 1, and the winners to `labels` (n, w); 0 and 255 where not valid.

    A runner-up that rounds to the winner's value is lowered by one step, so that the largest byte is the winner's.
    """
    rows, width, classes = probabilities.shape
    one, full, half = np.float32(1), np.float32(255), np.float32(0.5)
    line = np.empty((classes, width), np.float32)
    winner, most = np.empty(width, np.uint8), np.empty(width, np.float32)
    for i in range(rows):
        # Class after class along a row, so that many pixels are done at once.
        for j in range(width):
            for k in range(classes):
                line[k, j] = probabilities[i, j, k]
        winner[:] = 0
        # A loop, for the reason that `copy_row` has.
        for j in range(width):
            most[j] = line[0, j]
        for k in range(1, classes):
            for j in range(width):
                winner[j] = np.uint8(k) if line[k, j] > most[j] else winner[j]
                most[j] = line[k, j] if line[k, j] > most[j] else most[j]
        for j in range(width):
            most[j] = np.uint8(min(full, max(one, most[j] * full + half)))
        for k in range(classes):
            for j in range(width):
                value = np.uint8(min(most[j] - one, max(np.float32(0), line[k, j] * full + half)))
                value = np.uint8(most[j]) if winner[j] == k else value
                out[i, k, j] = value if valid[i, j] else np.uint8(0)
        for j in range(width):
            labels[i, j] = winner[j] if valid[i, j] else np.uint8(255)


@compiled
def rank(probabilities, labels, confidence, margin, mask):
    """Winner, its probability and its lead over the runner-up, and 255, of bytes (n, K, w); 255, 0, 0, 0 where all are 0."""
    rows, classes, width = probabilities.shape
    for i in range(rows):
        # Class after class along a row, so that many pixels are done at once; `margin` holds the runner-up until the end.
        for j in range(width):
            labels[i, j], confidence[i, j], margin[i, j] = 0, probabilities[i, 0, j], 0
        for k in range(1, classes):
            for j in range(width):
                value, top = probabilities[i, k, j], confidence[i, j]
                margin[i, j] = max(margin[i, j], min(value, top))
                labels[i, j] = k if value > top else labels[i, j]
                confidence[i, j] = max(value, top)
        for j in range(width):
            margin[i, j] = confidence[i, j] - margin[i, j]
            mask[i, j] = 255 if confidence[i, j] > 0 else 0
            labels[i, j] = labels[i, j] if confidence[i, j] > 0 else 255


@compiled
def halve(probabilities, out):
    """Mean of each 2 x 2 pixels of bytes (n, K, w) into `out` (ceil(n / 2), K, ceil(w / 2)); pixels that are all 0 do not count."""
    rows, classes, width = probabilities.shape
    some = np.empty(width + 1, np.uint8)
    counts = np.empty(out.shape[2], np.uint8)
    for i in range(out.shape[0]):
        counts[:] = 0
        for row in range(2 * i, min(2 * i + 2, rows)):
            some[:] = 0
            for k in range(classes):
                for j in range(width):
                    some[j] |= probabilities[row, k, j]
            for j in range(out.shape[2]):
                counts[j] += (some[2 * j] > 0) + (some[2 * j + 1] > 0)
        first, last = 2 * i, min(2 * i + 1, rows - 1)
        for k in range(classes):
            for j in range(out.shape[2]):
                left, right = 2 * j, 2 * j + 1
                total = np.uint32(probabilities[first, k, left])
                if right < width:
                    total += probabilities[first, k, right]
                if last > first:
                    total += probabilities[last, k, left]
                    if right < width:
                        total += probabilities[last, k, right]
                count = counts[j]
                out[i, k, j] = (total + 2) >> 2 if count == 4 else ((total + count // 2) // count if count > 0 else 0)


def turns(height: int, width: int, symmetries: int) -> list[tuple[int, bool, np.ndarray]]:
    """The transforms of a patch: quarter turns, mirrored first or not, and how a pixel finds its value again.

    With T(p) = rot90(mirror(p), quarters), the value of pixel (i, j) lies in T(p) at the place that `accumulate`
    computes from the (2, 3) matrix. 1 gives the identity alone, 8 the dihedral group D4, of which a patch that is not square
    has the four that keep its height: D2.
    """
    every = range(4) if height == width else (0, 2)
    result = []
    for mirrored in (False, True) if symmetries == 8 else (False,):
        for quarters in every if symmetries == 8 else (0,):
            row, col = np.array([0, 1, 0]), np.array([0, 0, 1])
            rows, cols = height, width
            if mirrored:
                col = np.array([cols - 1, 0, 0]) - col
            for _ in range(quarters):
                # np.rot90 moves (i, j) to (cols - 1 - j, i)
                row, col = np.array([cols - 1, 0, 0]) - col, row
                rows, cols = cols, rows
            result.append((quarters, mirrored, np.stack([row, col]).astype(np.int64)))
    return result
