"""Regions of equal class: 4-connected labelling in row bands, and the minimum mapping unit on the graph of regions."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled
from core.vector.tracing.half_arcs import arc_of, region_of
from core.vector.tracing.heap import rise, sink


@compiled
def find_root(parent, region):
    """Return the representative of `region` in the union-find forest `parent` (N,) int32, halving the path on the way."""
    while parent[region] != region:
        parent[region] = parent[parent[region]]
        region = parent[region]
    return region


@compiled
def label_band(classes, classes_above, ids, parent, count):
    """Number the 4-connected regions of a band of rows, continuing those of the row above it.

    classes: (h, w) class ids of the band. classes_above: (w,) the row above (any values when there is none).
    ids: (h + 2, w + 2) int32, filled in place; row 0 already holds the numbers of the row above (0 where there is none), and the rim
    stays 0. parent: union-find forest with room for count + h * w entries; numbers start at 1, 0 is the outside.
    Returns the new count of entries in use.
    """
    height, width = classes.shape
    for i in range(height):
        value, number, over = classes[i, 0], np.int32(0), np.int32(0)
        for j in range(width):
            here, above = classes[i, j], ids[i, j + 1]
            left = number if j > 0 and here == value else np.int32(0)
            if left != 0 and above == over:
                # As the pixel on the left, below the same region: inside of regions nearly all are.
                ids[i + 1, j + 1] = number
                continue
            value, over = here, above
            if above != 0 and (classes[i - 1, j] if i > 0 else classes_above[j]) != value:
                above = np.int32(0)
            if left == 0 and above == 0:
                parent[count] = count
                number = np.int32(count)
                count += 1
            elif left == 0:
                number = above
            elif above == 0 or left == above:
                number = left
            else:
                a = find_root(parent, left)
                b = find_root(parent, above)
                # The smaller number wins, so a root is always the region's first pixel in reading order.
                number = min(a, b)
                parent[max(a, b)] = number
            ids[i + 1, j + 1] = number
    for j in range(1, width + 1):
        if ids[0, j] != 0:
            ids[0, j] = find_root(parent, ids[0, j])
    for i in range(1, height + 1):
        number = root = np.int32(0)
        for j in range(1, width + 1):
            if ids[i, j] != number:
                number = ids[i, j]
                root = find_root(parent, number)
            ids[i, j] = root
    return count


@compiled
def count_band(classes, ids, region_class, region_pixels):
    """Add a band's pixels to each region's class and pixel count (in place)."""
    height, width = classes.shape
    for i in range(height):
        begin = 0
        for j in range(width):
            if j + 1 == width or ids[i + 1, j + 1] != ids[i + 1, j + 2]:
                region = ids[i + 1, j + 1]
                region_class[region] = classes[i, j]
                region_pixels[region] += j + 1 - begin
                begin = j + 1


@compiled
def sum_band(values, ids, region_sum):
    """Add a band's values (h, w) to the sum of each region (in place, float64)."""
    height, width = values.shape
    for i in range(height):
        for j in range(width):
            region_sum[ids[i + 1, j + 1]] += values[i, j]


@compiled
def compact(parent, count):
    """Number the roots 1, 2, ... by their first pixel; returns (new number of every entry (count,) int32, number of regions)."""
    number = np.zeros(count, np.int32)
    regions = 0
    for region in range(1, count):
        root = find_root(parent, region)
        if root == region:
            regions += 1
            number[region] = regions
        else:
            number[region] = number[root]
    return number, regions


@compiled
def merge_small(left, right, length, region_class, region_pixels, region_edge, minimum_px, ignored_id):
    """Merge every region below the `minimum_px` of its class into the neighbour it shares most border with, smallest first.

    left, right: (A,) int32 regions beside each arc, 0 = outside. length: (A,) border lengths in pixels.
    region_class, region_pixels, region_edge: (R + 1,) class, pixel count, and whether the region touches the scene's rim; entry 0 is
    the outside. minimum_px: float64, by class. Ties go to the larger neighbour, then to the one that comes first. Ignored areas take
    a region in only when it has no other neighbour; ignored areas themselves are filled when they are enclosed, and kept
    when they touch the rim. A merged region that is still too small goes on merging. Neighbours that now have one class become one region.
    Returns (group (R + 1,) int32, class of each group (G + 1,), number of groups); groups are numbered by their first pixel.
    """
    total = region_class.size
    parent = np.arange(total).astype(np.int32)
    classes = region_class.copy()
    pixels = region_pixels.copy()
    edge = region_edge.copy()
    head = np.full(total, -1, np.int32)
    tail = np.full(total, -1, np.int32)
    following = np.full(2 * left.size, -1, np.int32)
    for arc in range(left.size):
        if left[arc] == 0 or right[arc] == 0:
            continue
        for side in range(2):
            region = left[arc] if side == 0 else right[arc]
            entry = 2 * arc + side
            if head[region] < 0:
                head[region] = entry
            else:
                following[tail[region]] = entry
            tail[region] = entry
    small = 0
    for region in range(1, total):
        small += pixels[region] < minimum_px[classes[region]]
    # A heap: one comes back at most for each that is taken out, so there are never more than at first.
    sizes, numbers = np.empty(small, np.int64), np.empty(small, np.int64)
    queued = np.int64(0)
    for region in range(1, total):
        if pixels[region] < minimum_px[classes[region]]:
            rise(sizes, numbers, queued, pixels[region], region)
            queued += 1
    border = np.zeros(total, np.int64)
    neighbours = np.empty(total, np.int32)
    while queued > 0:
        size, region = sizes[0], np.int32(numbers[0])
        queued -= 1
        sink(sizes, numbers, queued, np.int64(0), sizes[queued], numbers[queued])
        if parent[region] != region or pixels[region] != size:
            continue
        if classes[region] == ignored_id and edge[region]:
            continue
        found = 0
        entry = head[region]
        while entry >= 0:
            other = find_root(parent, region_of(entry ^ 1, left, right))
            if other != region:
                if border[other] == 0:
                    neighbours[found] = other
                    found += 1
                border[other] += length[arc_of(entry)]
            entry = following[entry]
        best = np.int32(0)
        for k in range(found):
            other = neighbours[k]
            if best == 0:
                best = other
                continue
            other_named = classes[other] != ignored_id
            best_named = classes[best] != ignored_id
            if other_named != best_named:
                if other_named:
                    best = other
            elif border[other] != border[best]:
                if border[other] > border[best]:
                    best = other
            elif pixels[other] != pixels[best]:
                if pixels[other] > pixels[best]:
                    best = other
            elif other < best:
                best = other
        for k in range(found):
            border[neighbours[k]] = 0
        if best == 0:
            continue
        for k in range(found + 1):
            joined = region if k == found else neighbours[k]
            if joined == best or (k < found and classes[joined] != classes[best]):
                continue
            parent[joined] = best
            pixels[best] += pixels[joined]
            edge[best] = edge[best] or edge[joined]
            if head[joined] >= 0:
                if head[best] < 0:
                    head[best] = head[joined]
                else:
                    following[tail[best]] = head[joined]
                tail[best] = tail[joined]
        if pixels[best] < minimum_px[classes[best]]:
            rise(sizes, numbers, queued, pixels[best], np.int64(best))
            queued += 1
    group = np.zeros(total, np.int32)
    of_root = np.zeros(total, np.int32)
    group_class = np.zeros(total, region_class.dtype)
    groups = 0
    for region in range(1, total):
        root = find_root(parent, np.int32(region))
        if of_root[root] == 0:
            groups += 1
            of_root[root] = groups
            group_class[groups] = classes[root]
        group[region] = of_root[root]
    return group, group_class[: groups + 1].copy(), groups
