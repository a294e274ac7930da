"""Which mask belongs to which image, told from names alone: no file is opened."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.datasets.families import match_families
from core.datasets.file_names import (
    IMAGE_WORDS,
    MASK_WORDS,
    PART_WORDS,
    NamedFile,
    describe,
    described,
    natural,
    role_of,
    strip_number,
    walk,
)
from core.errors import DatasetError
from core.reading.postgis import masked
from core.scenes.image_names import is_raster

VECTOR_SUFFIXES = (".gpkg", ".geojson", ".shp", ".shp.zip", ".json", ".fgb", ".kml")
_GLUED = "|".join(sorted(IMAGE_WORDS | MASK_WORDS, key=len, reverse=True))


Twos = list[tuple[NamedFile, NamedFile]]


@dataclass(frozen=True)
class Match:
    """An image and what labels it: one mask file, or several (one for each class). `bands` are the image's files, one for each band."""

    name: str
    image: Path
    masks: tuple[Path, ...]
    group: str
    mask_classes: tuple[str, ...] = ()
    bands: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Matches:
    """All matches of a folder, the files that found no partner, the vector files, and what was left out, in sentences.

    `images` and `masks` count the rasters that look like either, `passed` those that look like neither.
    """

    matches: tuple[Match, ...]
    unpaired: tuple[Path, ...]
    vectors: tuple[Path, ...]
    images_alone: tuple[Path, ...]
    """Of the unpaired ones, those that are images (vector labels may still fit them)."""
    notes: tuple[str, ...] = ()
    images: int = 0
    masks: int = 0
    passed: tuple[Path, ...] = ()


def match_folder(root: Path, *, images: str = "", masks: str = "") -> Matches:
    """Pair the images and masks under `root` by folder and file name.

    `images` and `masks` are patterns of files below the root ("**/*_rgb.tif"), or folders, that say which are which; what they name is
    an image, or a mask, whatever it is called, and other rasters are passed over. Raises DatasetError for a pattern without files.
    """
    paths = list(walk(root))
    vectors = tuple(path for path in paths if path.name.lower().endswith(VECTOR_SUFFIXES))
    rasters = [path for path in paths if is_raster(path)]
    if images or masks:
        pictures, labels, other = _as_named(root, rasters, images, masks)
        left = tuple(file.path for file in other)
        found = _matched(pictures, labels, vectors, left)
        if not found.matches:  # the two lie in folders that do not go together: their names alone must do
            pictures, labels = ([replace(file, place=(), base=()) for file in files] for files in (pictures, labels))
            found = _matched(pictures, labels, vectors, left)
        return found
    files = described(rasters, root)
    labels = [file for file in files if file.role == "mask"]
    pictures = [file for file in files if file.role in ("image", None)]
    other = [file for file in files if file.role == "other"]
    if not pictures:
        pictures, other = [replace(file, role=None) for file in other], []
    if all(file.role is None for file in pictures):
        # Nothing is called an image: the folder beside that of the masks holds them, whatever its name.
        known = {(), *(file.base for file in labels)}
        pictures = [file if file.base in known else replace(file, base=file.base[:-1], side=file.base[-1]) for file in pictures]
    return _matched(pictures, labels, vectors, tuple(file.path for file in other))


def _as_named(root: Path, rasters: list[Path], images: str, masks: str) -> tuple[list[NamedFile], list[NamedFile], list[NamedFile]]:
    """Images, masks and the rest, as two patterns say; without one of them, its side is what names say of the rest."""
    chosen = {role: _named(root, rasters, pattern, role) for role, pattern in (("image", images), ("mask", masks)) if pattern}
    taken = {path for paths in chosen.values() for path in paths}
    files: dict[str, list[NamedFile]] = {}
    for role in ("mask", "image"):
        if role in chosen:
            found = described([path for path in chosen[role] if role == "mask" or path not in chosen.get("mask", ())], root)
            files[role] = [_below(file, root, images if role == "image" else masks, role) for file in found]
    rest = described([path for path in rasters if path not in taken], root)
    for role, wanted in (("mask", ("mask",)), ("image", ("image", None))):
        if role not in files:
            files[role] = [file for file in rest if file.role in wanted]
            rest = [file for file in rest if file.role not in wanted]
    return files["image"], files["mask"], rest


def _below(file: NamedFile, root: Path, pattern: str, role: str) -> NamedFile:
    """The file as an image or a mask whose place is counted from the folder that the pattern begins with."""
    literal = list(itertools.takewhile(lambda part: not set(part) & set("*?["), Path(pattern).parts))
    folders = file.path.relative_to(root).parts[:-1]
    start = min(len(literal), len(folders))
    return replace(file, role=role, place=folders[start:], base=tuple(map(str.lower, folders[start:])), side="/".join(folders[:start]))


def _named(root: Path, rasters: list[Path], pattern: str, role: str) -> list[Path]:
    try:
        named = set(root.glob(f"{pattern.rstrip('/')}/**/*" if (root / pattern).is_dir() else pattern))
    except (ValueError, NotImplementedError) as error:
        raise DatasetError(
            f"the pattern {pattern!r} ({error})", expected='files below the folder, such as "**/*_rgb.tif"', do="Mend it"
        ) from error
    paths = [path for path in rasters if path in named]
    if not paths:
        examples = ", ".join(path.relative_to(root).as_posix() for path in rasters[:3]) or "none"
        raise DatasetError(
            f"no {role} file fits {masked(pattern)!r}",
            expected=f"a pattern that fits some of {len(rasters)} rasters ({examples})",
            do="Mend the pattern",
        )
    return paths


def _matched(images: list[NamedFile], masks: list[NamedFile], vectors: tuple[Path, ...], passed: tuple[Path, ...]) -> Matches:
    numbers = len(images), len(masks)
    marked = any(file.role == "image" for file in images)
    pairs, images_left, masks_left = _match(images, masks)
    per_class, single, images_left, masks_left = _match_per_class(images_left, masks_left)
    loose, images_left, masks_left = _match_loosely(images_left, masks_left)
    akin, images_left, masks_left, notes = match_families(images_left, masks_left, [image for image, _ in (*pairs, *single, *loose)])
    pairs += single + loose + akin
    images_found = [image for image, _ in pairs] + [image for image, _, _ in per_class]
    plain_places = {image.place for image in images_found if image.role is None}
    # A picture outside the image folders (a preview, a legend) is no image of the set, unless its neighbours are.
    alone = [file for file in images_left if file.role == "image" or not marked or file.place in plain_places]
    names = unique_names(images_found)
    groups = _groups(images_found)
    matches = [
        Match(name, image.path, (mask.path,), group, bands=image.bands)
        for name, group, (image, mask) in zip(names, groups, pairs, strict=False)
    ]
    start = len(pairs)
    for i, (image, parts, classes) in enumerate(per_class):
        matches.append(Match(names[start + i], image.path, parts, groups[start + i], classes, image.bands))
    matches.sort(key=lambda match: natural(match.name))
    unpaired = sorted([file.path for file in alone + masks_left], key=lambda path: natural(str(path)))
    return Matches(tuple(matches), tuple(unpaired), vectors, tuple(file.path for file in alone), tuple(notes), *numbers, passed)


def names_and_groups(paths: Sequence[Path], root: Path) -> tuple[list[str], list[str]]:
    """The name and the group of each image among `paths`, as `match_folder` gives them."""
    files = [describe(path, root) for path in paths]
    return unique_names(files), _groups(files)


def says_role(folder: str) -> bool:
    """Whether a folder's name says that it holds images, or masks."""
    return role_of(folder, folder=True)[0] is not None


def name_groups(stems: Sequence[str]) -> list[str]:
    """The group of each file name: the prefix it shares with others (tile3_07 -> tile3), or the name itself.

    Numbers at the end are taken off one by one; the coarsest prefixes that still make two groups win, because a split
    that keeps too much together is safe and one that parts neighbours is not. Names that number the rows and columns
    of one full grid (chip_0_0 to chip_5_9) are one group.
    """
    if _is_one_grid(stems):
        return [strip_number(strip_number(stem)) for stem in stems]
    levels = [list(stems)]
    while True:
        shorter = [strip_number(stem) for stem in levels[-1]]
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


def unique_names(files: Iterable[NamedFile]) -> list[str]:
    """A readable name for each file, each once: its place and stem, the suffix added where two would be equal."""
    files = list(files)
    names = ["/".join((*file.place, file.stem)) for file in files]
    seen = Counter(names)
    return [name if seen[name] == 1 else f"{name}{file.path.suffix}" for name, file in zip(names, files, strict=True)]


def _match(images: list[NamedFile], masks: list[NamedFile]) -> tuple[Twos, list[NamedFile], list[NamedFile]]:
    """Pairs by place and stem, then by the stem without words such as mask and image."""
    pairs: Twos = []
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


def _match_loosely(images: list[NamedFile], masks: list[NamedFile]) -> tuple[Twos, list[NamedFile], list[NamedFile]]:
    """Pairs of what is left, by stems whose numbers are written otherwise, or stand in one of the two alone; never where two would fit."""
    pairs: Twos = []
    for of_image, of_mask in ((_bare_stem, _bare_stem), (_unnumbered, _bare_stem), (_bare_stem, _unnumbered)):
        found: dict[tuple, tuple[list[NamedFile], list[NamedFile]]] = defaultdict(lambda: ([], []))
        for image in images:
            found[image.place, of_image(image)][0].append(image)
        for mask in masks:
            found[mask.place, of_mask(mask)][1].append(mask)
        alike = [(one[0][0], one[1][0]) for one in found.values() if len(one[0]) == len(one[1]) == 1]
        pairs += alike
        taken = {id(file) for pair in alike for file in pair}
        images, masks = ([file for file in files if id(file) not in taken] for files in (images, masks))
    return pairs, images, masks


def _bare_stem(file: NamedFile) -> str:
    """The plain stem with numbers as people count (007 is 7), and without a word that is glued to one (img7, mask7)."""
    return re.sub(r"\d+", lambda number: str(int(number[0])), re.sub(rf"(?<![a-z])(?:{_GLUED})(?=\d)", "", file.plain_stem))


def _unnumbered(file: NamedFile) -> str:
    """The same without the number at its end: NAME_1 is NAME."""
    return strip_number(_bare_stem(file))


def _match_per_class(
    images: list[NamedFile], masks: list[NamedFile]
) -> tuple[list[tuple[NamedFile, tuple[Path, ...], tuple[str, ...]]], Twos, list[NamedFile], list[NamedFile]]:
    """Images whose masks are one file per class: name_road.png, road/name.png or name/road.png in the mask folder.

    What follows an image's name in that of its mask is a class only where some image has several masks; with one mask for each image
    it is wording (name_target.png), and those are returned as plain pairs.
    """
    by_image: dict[int, dict[str, NamedFile]] = defaultdict(dict)
    lookup = {(image.place, image.plain_stem): image for image in images}
    by_suffix: set[int] = set()
    for mask in masks:
        for image, class_name, suffix in _class_readings(mask, lookup):
            by_image[id(image)].setdefault(class_name, mask)
            if suffix:
                by_suffix.add(id(mask))
            break
    wording = by_suffix if max(map(len, by_image.values()), default=0) == 1 else set()
    found, single, used = [], [], set()
    for image in images:
        classes = by_image.get(id(image), {})
        if classes:
            order = sorted(classes)
            if id(classes[order[0]]) in wording:
                single.append((image, classes[order[0]]))
            else:
                found.append((image, tuple(classes[name].path for name in order), tuple(order)))
            used |= {id(mask) for mask in classes.values()}
    taken = {id(image) for image, *_ in (*found, *single)}
    return found, single, [i for i in images if id(i) not in taken], [m for m in masks if id(m) not in used]


def _class_readings(mask: NamedFile, lookup: dict[tuple, NamedFile]) -> Iterator[tuple[NamedFile, str, bool]]:
    """Each (image, class name, whether that is what follows the image's name) that a mask's path could mean."""
    if mask.place:
        *parent, last = mask.place
        if (tuple(parent), mask.plain_stem) in lookup:
            yield lookup[(tuple(parent), mask.plain_stem)], last, False
        if (tuple(parent), last.lower()) in lookup:
            yield lookup[(tuple(parent), last.lower())], mask.stem, False
    for cut in reversed([found.start() for found in re.finditer(r"[_\-]", mask.plain_stem)]):
        key = (mask.place, mask.plain_stem[:cut])
        if key in lookup and not mask.plain_stem[cut + 1 :].isdigit():
            yield lookup[key], mask.plain_stem[cut + 1 :], True


def _groups(files: Sequence[NamedFile]) -> list[str]:
    """The group of each image: its folder, or what its name shares with others where all lie in one folder."""
    places = [tuple(part for part in file.place if part.lower() not in PART_WORDS) for file in files]
    if len(set(places)) > 1:
        # Images that lie in no folder of their own are scenes of their own.
        return ["/".join(place) if place else file.stem for place, file in zip(places, files, strict=True)]
    return name_groups([file.stem for file in files])
