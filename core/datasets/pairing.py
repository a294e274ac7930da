"""Which mask belongs to which image, told from names alone: no file is opened."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.scenes.sources import HDF5_SUFFIXES, RASTER_SUFFIXES

VECTOR_SUFFIXES = (".gpkg", ".geojson", ".shp", ".shp.zip", ".json", ".fgb", ".kml")
_IMAGE_WORDS = frozenset(("image", "images", "img", "imgs", "rgb", "sat", "ortho", "scene", "scenes", "photo", "photos"))
_MASK_WORDS = frozenset(
    ("mask", "masks", "msk", "label", "labels", "lbl", "gt", "groundtruth", "annotation", "annotations", "annot", "truth", "seg")
)
_GLUED = "|".join(sorted(_IMAGE_WORDS | _MASK_WORDS, key=len, reverse=True))
_FORMAT_WORDS = frozenset(("png", "jpg", "jpeg", "tif", "tiff", "h5", "dir"))
_PART_WORDS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "data", "dataset"))
_SKIPPED_FOLDERS = frozenset(("__MACOSX", "__pycache__"))


@dataclass(frozen=True)
class Match:
    """An image and what labels it: one mask file, or several (one for each class)."""

    name: str
    image: Path
    masks: tuple[Path, ...]
    group: str
    mask_classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matches:
    """All matches of a folder, the files that found no partner, and the vector files."""

    matches: tuple[Match, ...]
    unpaired: tuple[Path, ...]
    vectors: tuple[Path, ...]
    images_alone: tuple[Path, ...]
    """Of the unpaired ones, those that are images (vector labels may still fit them)."""


@dataclass(frozen=True)
class _File:
    path: Path
    role: str | None
    place: tuple[str, ...]
    stem: str
    plain_stem: str


def match_folder(root: Path) -> Matches:
    """Pair the images and masks under `root` by folder and file name."""
    files = list(_walk(root))
    rasters = [_describe(path, root) for path in files if path.suffix.lower() in (*RASTER_SUFFIXES, *HDF5_SUFFIXES)]
    vectors = tuple(path for path in files if path.name.lower().endswith(VECTOR_SUFFIXES))
    masks = [file for file in rasters if file.role == "mask"]
    images = [file for file in rasters if file.role == "image"]
    plain = [file for file in rasters if file.role is None]
    pairs, images_left, masks_left = _match(images + plain, masks)
    per_class, images_left, masks_left = _match_per_class(images_left, masks_left)
    loose, images_left, masks_left = _match_loosely(images_left, masks_left)
    pairs += loose
    images_found = [image for image, _ in pairs] + [image for image, _, _ in per_class]
    plain_places = {image.place for image in images_found if image.role is None}
    # A picture outside the image folders (a preview, a legend) is no image of the set, unless its neighbours are.
    alone = [file for file in images_left if file.role == "image" or not images or file.place in plain_places]
    names = unique_names(images_found)
    groups = _groups(images_found)
    matches = [Match(name, image.path, (mask.path,), group) for name, group, (image, mask) in zip(names, groups, pairs, strict=False)]
    start = len(pairs)
    for i, (image, parts, classes) in enumerate(per_class):
        matches.append(Match(names[start + i], image.path, parts, groups[start + i], classes))
    matches.sort(key=lambda match: _natural(match.name))
    unpaired = sorted([file.path for file in alone + masks_left], key=lambda path: _natural(str(path)))
    return Matches(tuple(matches), tuple(unpaired), vectors, tuple(file.path for file in alone))


def names_and_groups(paths: Sequence[Path], root: Path) -> tuple[list[str], list[str]]:
    """The name and the group of each image among `paths`, as `match_folder` gives them."""
    files = [_describe(path, root) for path in paths]
    return unique_names(files), _groups(files)


def says_role(folder: str) -> bool:
    """Whether a folder's name says that it holds images, or masks."""
    return _role(folder)[0] is not None


def name_groups(stems: Sequence[str]) -> list[str]:
    """The group of each file name: the prefix it shares with others (tile3_07 -> tile3), or the name itself.

    Numbers at the end are taken off one by one; the coarsest prefixes that still make two groups win, because a split
    that keeps too much together is safe and one that parts neighbours is not. Names that number the rows and columns
    of one full grid (chip_0_0 to chip_5_9) are one group.
    """
    if _is_one_grid(stems):
        return [_strip_number(_strip_number(stem)) for stem in stems]
    levels = [list(stems)]
    while True:
        shorter = [_strip_number(stem) for stem in levels[-1]]
        if shorter == levels[-1]:
            break
        levels.append(shorter)
    for level in reversed(levels):
        if len(set(level)) >= 2:
            return level
    return list(stems)


def _is_one_grid(stems: Sequence[str]) -> bool:
    """Whether the names are PREFIX_ROW_COLUMN, counted from 0 without a gap, with at least two rows and two columns."""
    grid = re.compile(r"(.*?)[_\-\s](?:row|r|y)?(\d+)[_\-\s](?:col|c|x)?(\d+)", flags=re.IGNORECASE)
    found = [match for stem in stems if (match := grid.fullmatch(stem))]
    if len(stems) < 4 or len(found) < len(stems) or len({match[1] for match in found}) > 1:
        return False
    places = {(int(match[2]), int(match[3])) for match in found}
    rows, columns = max(row for row, _ in places) + 1, max(col for _, col in places) + 1
    return min(rows, columns) >= 2 and len(places) == len(stems) == rows * columns


def unique_names(files: Iterable[_File]) -> list[str]:
    """A readable name for each file, each once: its place and stem, the suffix added where two would be equal."""
    files = list(files)
    names = ["/".join((*file.place, file.stem)) for file in files]
    seen = Counter(names)
    return [name if seen[name] == 1 else f"{name}{file.path.suffix}" for name, file in zip(names, files, strict=True)]


def _walk(root: Path) -> Iterable[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(folder, name)


def _describe(path: Path, root: Path) -> _File:
    folders = PurePosixPath(path.relative_to(root).parent.as_posix()).parts
    role: str | None = None
    place: list[str] = []
    for depth in range(len(folders) - 1, -1, -1):
        found, rest = _role(folders[depth]) if role is None else (None, folders[depth])
        role = role or found
        if rest:
            place.insert(0, rest)
    stem = path.name.split(".")[0] if path.name.lower().endswith(".shp.zip") else path.stem
    stem_role, plain_stem = _role(stem)
    if role is None and stem_role == "mask":
        role = "mask"
    return _File(path, role, tuple(place), stem, (plain_stem or stem).lower())


def _role(name: str) -> tuple[str | None, str]:
    """What a folder or file name says it is, and the name without that word."""
    tokens = [token for token in re.split(r"[_\-\s.]+", name) if token]
    lowered = [token.lower() for token in tokens]
    for words, role in ((_MASK_WORDS, "mask"), (_IMAGE_WORDS, "image")):
        if any(token in words for token in lowered):
            kept = [token for token, low in zip(tokens, lowered, strict=True) if low not in words and low not in _FORMAT_WORDS]
            return role, "_".join(kept)
    return None, name


def _match(images: list[_File], masks: list[_File]) -> tuple[list[tuple[_File, _File]], list[_File], list[_File]]:
    """Pairs by place and stem, then by the stem without words such as mask and image."""
    pairs: list[tuple[_File, _File]] = []
    for key in (lambda f: (f.place, f.stem.lower()), lambda f: (f.place, f.plain_stem)):
        waiting = defaultdict(list)
        for image in sorted(images, key=lambda f: f.role is None):
            waiting[key(image)].append(image)
        left = []
        for mask in masks:
            if waiting[key(mask)]:
                pairs.append((waiting[key(mask)].pop(0), mask))
            else:
                left.append(mask)
        taken = {id(image) for image, _ in pairs}
        images, masks = [image for image in images if id(image) not in taken], left
    return pairs, images, masks


def _match_loosely(images: list[_File], masks: list[_File]) -> tuple[list[tuple[_File, _File]], list[_File], list[_File]]:
    """Pairs of what is left, by stems whose numbers are written otherwise, or stand in one of the two alone; never where two would fit."""
    pairs: list[tuple[_File, _File]] = []
    for of_image, of_mask in ((_bare_stem, _bare_stem), (_unnumbered, _bare_stem), (_bare_stem, _unnumbered)):
        found: dict[tuple, tuple[list[_File], list[_File]]] = defaultdict(lambda: ([], []))
        for image in images:
            found[image.place, of_image(image)][0].append(image)
        for mask in masks:
            found[mask.place, of_mask(mask)][1].append(mask)
        alike = [(one[0][0], one[1][0]) for one in found.values() if len(one[0]) == len(one[1]) == 1]
        pairs += alike
        taken = {id(file) for pair in alike for file in pair}
        images, masks = ([file for file in files if id(file) not in taken] for files in (images, masks))
    return pairs, images, masks


def _bare_stem(file: _File) -> str:
    """The plain stem with numbers as people count (007 is 7), and without a word that is glued to one (img7, mask7)."""
    return re.sub(r"\d+", lambda number: str(int(number[0])), re.sub(rf"(?<![a-z])(?:{_GLUED})(?=\d)", "", file.plain_stem))


def _unnumbered(file: _File) -> str:
    """The same without the number at its end: NAME_1 is NAME."""
    return _strip_number(_bare_stem(file))


def _match_per_class(
    images: list[_File], masks: list[_File]
) -> tuple[list[tuple[_File, tuple[Path, ...], tuple[str, ...]]], list[_File], list[_File]]:
    """Images whose masks are one file per class: name_road.png, road/name.png or name/road.png in the mask folder."""
    by_image: dict[int, dict[str, _File]] = defaultdict(dict)
    lookup = {(image.place, image.plain_stem): image for image in images}
    for mask in masks:
        for image, class_name in _class_readings(mask, lookup):
            by_image[id(image)].setdefault(class_name, mask)
            break
    found, used = [], set()
    for image in images:
        classes = by_image.get(id(image), {})
        if classes:
            order = sorted(classes)
            found.append((image, tuple(classes[name].path for name in order), tuple(order)))
            used |= {id(mask) for mask in classes.values()}
    taken = {id(image) for image, _, _ in found}
    return found, [i for i in images if id(i) not in taken], [m for m in masks if id(m) not in used]


def _class_readings(mask: _File, lookup: dict[tuple, _File]):
    """Each (image, class name) that a mask's path could mean."""
    if mask.place:
        *parent, last = mask.place
        if (tuple(parent), mask.plain_stem) in lookup:
            yield lookup[(tuple(parent), mask.plain_stem)], last
        if (tuple(parent), last.lower()) in lookup:
            yield lookup[(tuple(parent), last.lower())], mask.stem
    for cut in reversed([found.start() for found in re.finditer(r"[_\-]", mask.plain_stem)]):
        key = (mask.place, mask.plain_stem[:cut])
        if key in lookup and not mask.plain_stem[cut + 1 :].isdigit():
            yield lookup[key], mask.plain_stem[cut + 1 :]


def _groups(files: Sequence[_File]) -> list[str]:
    """The group of each image: its folder, or what its name shares with others where all lie in one folder."""
    places = [tuple(part for part in file.place if part.lower() not in _PART_WORDS) for file in files]
    if len(set(places)) > 1:
        # Images that lie in no folder of their own are scenes of their own.
        return ["/".join(place) if place else file.stem for place, file in zip(places, files, strict=True)]
    return name_groups([file.stem for file in files])


def _strip_number(stem: str) -> str:
    """The stem without its last number and the words row, col, part or chip beside it: a_r0_c12 -> a_r0."""
    shorter = re.sub(r"[_\-\s](?:part|chip|patch|row|col|r|c|x|y)?[_\-\s]?\d+$", "", stem, flags=re.IGNORECASE)
    return shorter or stem


def _natural(text: str) -> list:
    """Sort key that puts Tile 10 after Tile 9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"(\d+)", text)]
