"""The painted pixels with their features: what a classifier learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.labelling.features import TILE_PX, SceneFeatures
from core.labelling.strokes import Stroke, class_ids, covering, tiles_under
from core.progress import ShouldStop, check

MOST_OF_A_CLASS = 20_000
"""More pixels of a class are drawn at random: they say little more and cost time."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Painted pixels: features float16 (n, F), class ids int16 (n,), and the number of the stroke (n,) that painted each.

    `painted` (K,) counts all pixels of each class, those that were not drawn too; `nodata` those painted where the scene holds nothing.
    """

    values: np.ndarray
    ids: np.ndarray
    strokes: np.ndarray
    painted: np.ndarray
    nodata: int = 0


def take(
    features: SceneFeatures, strokes: Sequence[Stroke], names: Sequence[str], *, seed: int = 0, should_stop: ShouldStop | None = None
) -> Samples:
    """The pixels of a scene that strokes painted, of a class with more than 20,000 a random part. Memory is bounded by that."""
    of_stroke = class_ids(strokes, names)
    tiles = tiles_under(strokes, features.scene.window, TILE_PX)
    counts = np.zeros(len(names), np.int64)
    for tile in tiles:
        painted = covering(strokes, tile)
        counts += np.bincount(of_stroke[painted[painted >= 0]], minlength=len(names))
    share = np.minimum(1.0, MOST_OF_A_CLASS / np.maximum(counts, 1))
    values, owners, nodata = [np.empty((0, features.count), np.float16)], [np.empty(0, np.int32)], 0
    for tile in tiles:
        check(should_stop)
        painted = covering(strokes, tile)
        rows, cols = np.nonzero(painted >= 0)
        owner = painted[rows, cols]
        # The same pixels of a tile whatever is painted elsewhere, as long as no class has too many.
        drawn = np.random.default_rng((seed, tile.row, tile.col)).random(len(rows)) < share[of_stroke[owner]]
        if not drawn.any():
            continue
        found = features.read(tile)[rows[drawn], cols[drawn]]
        known = np.isfinite(found[:, 0])
        nodata += int((~known).sum())
        values.append(found[known])
        owners.append(owner[drawn][known])
    owner = np.concatenate(owners)
    return Samples(np.concatenate(values), of_stroke[owner], owner, counts, nodata)
