"""One look at every pair of a data set: the numbers that the audit, the mosaics and the Explore page build on."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from core.audit.alignment import Shift, agreement, best_shift
from core.datasets.datasets import Dataset
from core.datasets.masks.placing import APART, ELSEWHERE, SAME, MaskPlace, mask_place
from core.datasets.pairs import Pair
from core.datasets.same_ground.points import Points, points_of
from core.errors import MaskError, SceneError
from core.patches.estimates import count_pair_blocks
from core.patches.grid import small_gdal_cache
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.chip_layout import Chip, read_chip
from core.scenes.opening import scene_of_array
from core.scenes.rasters import marked_transparent, marked_turned
from core.scenes.scene import Scene, Window

_WHOLE_BYTES = 96 * 2**20
_SLAB_PIXELS = 8 * 2**20
_THUMB_PX = 32
_OUTLINE_PX = 512


@dataclass(frozen=True, eq=False)
class PairFacts:
    """What one look at a pair tells.

    `counts` int64 (K + 1,): pixels of each class, the last not labelled; `strangers`: pixels of each colour or value that is no class;
    `thumb` float32 (32, 32, bands); `place` is how the mask lies to the image; `transparent` are bands that the file marks as
    transparency and that are read as data; `turned`: the file says to turn it when it is shown; `points` are those by which the same
    ground is found again, None where the georeference tells or where there is one group alone; `error` is set, and the rest empty,
    where a file cannot be read.
    """

    name: str
    group: str
    height: int = 0
    width: int = 0
    mask_height: int = 0
    mask_width: int = 0
    bands: int = 0
    dtype: str = ""
    pixel_size_m: float | None = None
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    strangers: dict[str, int] = field(default_factory=dict)
    nodata_fraction: float = 0.0
    thumb: np.ndarray | None = field(default=None, repr=False)
    chip: Chip | None = field(default=None, repr=False)
    shift: Shift | None = None
    error: str | None = None
    unreadable: str | None = None
    place: MaskPlace = field(default_factory=lambda: MaskPlace(SAME))
    transparent: tuple[int, ...] = ()
    turned: bool = False
    points: Points | None = field(default=None, repr=False)

    @property
    def same_size(self) -> bool:
        """Whether image and mask have the same height and width."""
        return (self.height, self.width) == (self.mask_height, self.mask_width)


@small_gdal_cache()
def survey(
    dataset: Dataset,
    *,
    known: Mapping[str, PairFacts] | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[PairFacts, ...]:
    """Look at every pair once, and at none whose facts are `known` by its name. Memory is bounded by one image, or by slabs of it."""
    facts = []
    for i, pair in enumerate(dataset.pairs):
        check(should_stop)
        if known and pair.name in known:
            facts.append(replace(known[pair.name], group=pair.group))
            continue
        report(on_progress, i, len(dataset.pairs), f"Looking at {pair.name}")
        facts.append(look_at(pair, dataset))
    report(on_progress, len(dataset.pairs), len(dataset.pairs), "Every pair looked at")
    return tuple(facts)


def look_at(pair: Pair, dataset: Dataset) -> PairFacts:
    """The facts of one pair; a file that cannot be read is told in `error`, not raised."""
    facts = PairFacts(pair.name, pair.group)
    what = "image"
    try:
        image = pair.image
        picture = _in_memory(image)
        facts = replace(facts, height=image.height, width=image.width, bands=image.bands, dtype=image.dtype)
        facts = replace(
            facts,
            pixel_size_m=image.ground_sample_distance_m,
            nodata_fraction=_nodata_fraction(image),
            thumb=_thumb(picture),
            chip=read_chip(picture, pair.name),
            transparent=marked_transparent(image),
            turned=marked_turned(image),
            points=points_of(picture) if len(dataset.groups) > 1 and not image.geo.georeferenced else None,
        )
        what = "mask"
        if pair.mask_file is not None and not pair.grid:
            facts = replace(facts, place=mask_place(image, pair.mask_file))
            if facts.place.kind == APART:
                facts = replace(facts, mask_height=pair.mask_file.height, mask_width=pair.mask_file.width)
            if facts.place.kind in (APART, ELSEWHERE):
                return facts
        mask = pair.mask
        if mask is None:
            return facts
        facts = replace(facts, mask_height=mask.height, mask_width=mask.width)
        if facts.same_size or pair.crop:
            ids: deque[np.ndarray] = deque(maxlen=1)  # the last band of rows: the whole mask unless it is large
            blocks = count_pair_blocks(pair, dataset.scheme, on_ids=ids.append)
            facts = replace(facts, counts=blocks.counts, strangers=blocks.strangers)
            if ids[0].shape == pair.shape:
                facts = replace(facts, shift=_shift(picture, ids[0]))
        return facts
    except (SceneError, MaskError) as error:
        return replace(facts, error=str(error), unreadable=what)


def _in_memory(image: Scene) -> Scene:
    """The image read once where it is small enough, so that a JPEG is not decoded again for each number."""
    size = image.height * image.width * image.bands * np.dtype(image.dtype).itemsize
    if size > _WHOLE_BYTES:
        return image
    return scene_of_array(image.read(), geo=image.geo, nodata=image.nodata, name=image.name)


def _thumb(image: Scene) -> np.ndarray:
    bands = tuple(range(1, min(image.bands, 3) + 1))
    return np.nan_to_num(image.read(bands=bands, out_shape=(_THUMB_PX, _THUMB_PX)).astype(np.float32))


def _nodata_fraction(image: Scene) -> float:
    bad = sum(int(np.count_nonzero(~image.valid(window))) for window in _slabs(image.shape))
    return bad / (image.height * image.width)


def _shift(image: Scene, ids: np.ndarray) -> Shift | None:
    """How the mask must move to fit, measured on pictures of at most 512 pixels."""
    height, width = ids.shape
    factor = max(1.0, max(height, width) / _OUTLINE_PX)
    shape = (max(1, round(height / factor)), max(1, round(width / factor)))
    bands = tuple(range(1, min(image.bands, 3) + 1))
    grey = np.nan_to_num(image.read(Window(0, 0, height, width), bands, out_shape=shape).astype(np.float32)).mean(axis=2)
    # Nearest pixels, by the centres of the smaller picture's.
    rows, cols = ((np.arange(n) + 0.5) * factor for n in shape)
    small = ids[np.ix_(np.minimum(rows.astype(int), height - 1), np.minimum(cols.astype(int), width - 1))]
    return best_shift(agreement(grey, small), factor=factor)


def _slabs(shape: tuple[int, int]):
    height, width = shape
    rows = max(1, _SLAB_PIXELS // width)
    for row in range(0, height, rows):
        yield Window(row, 0, min(rows, height - row), width)
