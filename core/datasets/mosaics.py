"""Which images of a data set continue each other, and the scenes that they make together."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.datasets.datasets import Dataset
from core.datasets.pairs import Pair
from core.errors import SceneError
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.chip_layout import Chip, Layout, find_layouts, known_by_ground, placed_chip, read_chip
from core.scenes.mosaic import assemble
from core.scenes.scene import Scene


@dataclass(frozen=True)
class Mosaic:
    """Pairs that make one scene: `cells` maps (row, column) to the pair there."""

    group: str
    rows: int
    columns: int
    cells: dict[tuple[int, int], Pair] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the pairs, row by row."""
        return tuple(self.cells[place].name for place in sorted(self.cells))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the pairs belong to; more than one means that a split by group would part neighbours."""
        return tuple(dict.fromkeys(self.cells[place].group for place in sorted(self.cells)))

    def image(self) -> Scene:
        """The images as one scene."""
        return self._scene([self.cells[place].image for place in sorted(self.cells)])

    def mask(self) -> Scene | None:
        """The masks as one scene, None where one is missing."""
        masks = [self.cells[place].mask for place in sorted(self.cells)]
        there = [mask for mask in masks if mask is not None]
        return self._scene(there) if len(there) == len(masks) else None

    def pair(self) -> Pair:
        """Image and mask of the whole mosaic as one pair, to look at, predict or evaluate."""
        first = self.cells[min(self.cells)]
        has_masks = all(pair.mask_path is not None or pair.mask_opener for pair in self.cells.values())
        return Pair(
            name=f"{self.group} mosaic",
            image_path=first.image_path.parent,
            mask_path=first.mask_path.parent if has_masks and first.mask_path else None,
            group=self.group,
            encoding=first.encoding,
            image_opener=self.image,
            mask_opener=self.mask if has_masks else None,
        )

    def _scene(self, chips: Sequence[Scene]) -> Scene:
        layout = Layout(self.rows, self.columns, {place: k for k, place in enumerate(sorted(self.cells))})
        return assemble(chips, layout, name=self.group, path=chips[0].path.parent)


def find_mosaics(
    dataset: Dataset,
    *,
    chips: Sequence[Chip | None] | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[Mosaic]:
    """The mosaics among the images of each folder, largest first.

    `chips` are the images' edges in the order of the pairs where they are known already (None: not readable);
    otherwise each image is read once, unless the ground tells how all those of its folder lie.
    """
    edges_known = chips is not None
    if chips is None:
        chips = [_chip_of(pair, placed_chip, should_stop) for pair in dataset.pairs]
    folders: dict[tuple[Path, int], list[tuple[Pair, Chip]]] = defaultdict(list)
    for pair, chip in zip(dataset.pairs, chips, strict=True):
        if chip is not None:
            folders[pair.image_path.parent, chip.top.shape[1]].append((pair, chip))
    mosaics: list[Mosaic] = []
    looked_at = itertools.count()

    def with_edges(pair: Pair) -> Chip | None:
        report(on_progress, next(looked_at), len(dataset.pairs), f"Looking at the edges of {pair.name}")
        return _chip_of(pair, read_chip, should_stop)

    for members in folders.values():
        if not (edges_known or known_by_ground([chip for _, chip in members])):
            members = [(pair, chip) for pair, _ in members if (chip := with_edges(pair)) is not None]
        for layout in find_layouts([chip for _, chip in members]):
            cells = {place: members[k][0] for place, k in layout.cells.items()}
            mosaics.append(Mosaic(_name(cells, mosaics), layout.rows, layout.columns, cells))
    return mosaics


def _chip_of(pair: Pair, make: Callable[[Scene, str], Chip], should_stop: ShouldStop | None) -> Chip | None:
    check(should_stop)
    try:
        return make(pair.image, pair.name)
    except SceneError:
        return None


def _name(cells: dict[tuple[int, int], Pair], earlier: Sequence[Mosaic]) -> str:
    """The group that all parts share, else their folder, with a number where that is taken."""
    pairs = list(cells.values())
    groups = {pair.group for pair in pairs}
    folder = pairs[0].image_path.parent
    name = pairs[0].group if len(groups) == 1 else folder.parent.name if folder.name.lower().startswith("im") else folder.name
    taken = {mosaic.group for mosaic in earlier}
    number = 2
    result = name
    while result in taken:
        result, number = f"{name} ({number})", number + 1
    return result
