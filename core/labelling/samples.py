"""The painted pixels with their features, and those that a model is sure of where nobody painted: what a classifier learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.labelling.features import TILE_PX, SceneFeatures
from core.labelling.strokes import Stroke, class_ids, covering, tiles_under
from core.progress import ShouldStop, check

MOST_OF_A_CLASS = 20_000
"""More pixels of a class are drawn at random: they say little more and cost time."""
_SURE = 0.7
"""From which probability on the model's word stands for a class that nobody painted."""
_PLACES, _PIXELS_OF_A_PLACE = 6, 200


@dataclass(frozen=True, eq=False)
class Samples:
    """Pixels to learn from: features float16 (n, F), class ids int16 (n,), and the number of the stroke (n,) that painted each.

    Numbers below 0 are places of a class that nobody painted, and that the model is sure of. `painted` (K,) counts all painted pixels of
    each class, those that were not drawn too; `nodata` those where the scene holds nothing.
    """

    values: np.ndarray
    ids: np.ndarray
    strokes: np.ndarray
    painted: np.ndarray
    nodata: int = 0


def take(
    features: SceneFeatures, strokes: Sequence[Stroke], names: Sequence[str], *, seed: int = 0, should_stop: ShouldStop | None = None
) -> Samples:
    """The pixels of a scene that strokes painted, of a class with more than 20,000 a random part. Memory is bounded by that.

    Of a class that the features' prediction knows and nobody painted, pixels that it is sure of at some places stand for it: without them
    every pixel would look like one of the painted classes.
    """
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
    missing = np.flatnonzero(counts[: features.classes] == 0)
    sure = [found for one in missing for found in _sure_of(features, int(one), seed)]
    ids = np.concatenate([of_stroke[owner], *(np.full(len(found), one, np.int16) for one, found in sure)])
    groups = np.concatenate([owner, *(np.full(len(found), -number) for number, (_, found) in enumerate(sure, 1))])
    return Samples(np.concatenate([*values, *(found for _, found in sure)]), ids, groups, counts, nodata)


def _sure_of(features: SceneFeatures, class_id: int, seed: int) -> list[tuple[int, np.ndarray]]:
    """Features (n, F) of pixels that the model is sure to be of a class, with its id, at a few places spread over the scene."""
    coarse, step = features.coarse
    sure = coarse[..., class_id] >= _SURE
    found: list[tuple[int, np.ndarray]] = []
    rows, cols = np.nonzero(sure)
    drawn = np.random.default_rng((seed, class_id))
    seen: set[tuple[int, int]] = set()
    for k in drawn.permutation(len(rows)):
        place = int(rows[k] * step[0]) // TILE_PX, int(cols[k] * step[1]) // TILE_PX
        if place in seen:
            continue
        seen.add(place)
        tile = features.tile(*place)
        pixels = tile[(features.model(tile)[..., class_id] >= _SURE) & np.isfinite(tile[..., 0])]
        if len(pixels):
            found.append((class_id, pixels[drawn.permutation(len(pixels))[:_PIXELS_OF_A_PLACE]]))
        if len(found) == _PLACES:
            break
    return found
