"""What lies in a folder or file: pairs of any kind, and the classes where the files' names or columns tell them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.classes import DUBAI, IGNORED_ID, ClassScheme, distinct_colours
from core.datasets.label_scenes import Hdf5Labels, find_hdf5_labels, open_class_files, open_hdf5_mask
from core.datasets.pairing import Match, Matches, match_folder, names_and_groups
from core.datasets.pairs import Pair
from core.datasets.palettes import same_class
from core.datasets.vector_labels import open_vector_mask
from core.datasets.vector_layouts import find_vector_labels
from core.errors import DatasetError
from core.scenes.sources import HDF5_SUFFIXES, open_hdf5

BACKGROUND = "Background"


@dataclass(frozen=True)
class Found:
    """Pairs and what is left over. `scheme` is None and `scheme_source` empty where the masks' pixels must tell the classes."""

    pairs: tuple[Pair, ...]
    unpaired: tuple[Path, ...] = ()
    images_alone: tuple[Path, ...] = ()
    scheme: ClassScheme | None = None
    scheme_source: str = ""


def find_pairs(path: Path) -> Found:
    """The pairs in a folder, or in an HDF5 file. No image is opened, of HDF5 files without partner only the first.

    Raises DatasetError when a file is no data set.
    """
    if path.is_file():
        if path.suffix.lower() in HDF5_SUFFIXES:
            return _in_hdf5([path], path.parent, ())
        raise DatasetError(
            f"{path.name} is a single file",
            expected="a folder, a zip or an HDF5 file with images and masks",
            do="Give the folder that it lies in",
        )
    matches = match_folder(path)
    if matches.matches:
        return _of_matches(matches)
    hdf5 = [file for file in matches.images_alone if file.suffix.lower() in HDF5_SUFFIXES]
    if hdf5:
        return _in_hdf5(hdf5, path, matches.unpaired)
    if matches.vectors and matches.images_alone:
        return _with_vectors(matches, path)
    return Found((), matches.unpaired, matches.images_alone)


def _of_matches(matches: Matches) -> Found:
    names = sorted({name for match in matches.matches for name in match.mask_classes})
    if not names:
        pairs = tuple(Pair(match.name, match.image, match.masks[0], match.group) for match in matches.matches)
        return Found(pairs, matches.unpaired, matches.images_alone)
    scheme, rest = named_scheme(names)
    pairs = tuple(_class_file_pair(match, scheme, rest) for match in matches.matches if match.mask_classes)
    return Found(pairs, matches.unpaired, matches.images_alone, scheme, "names of the mask files, one for each class")


def _class_file_pair(match: Match, scheme: ClassScheme, rest: int) -> Pair:
    ids = tuple(scheme.names.index(name) for name in match.mask_classes)
    opener = partial(open_class_files, match.masks, ids, rest)
    return Pair(match.name, match.image, match.masks[0], match.group, label_files=match.masks, mask_opener=opener)


def _in_hdf5(paths: list[Path], root: Path, unpaired: tuple[Path, ...]) -> Found:
    """Files that hold image and mask, one of each or a stack; all files are taken to be like the first."""
    inside = _hdf5_labels(paths[0])
    names, groups = names_and_groups(paths, root)
    pairs = []
    for path, name, group in zip(paths, names, groups, strict=True):
        stack = inside.stack if path == paths[0] or inside.stack is None else _hdf5_labels(path).stack
        for index in range(stack) if stack is not None else (None,):
            own = name if index is None else f"{name}_{index:05d}"
            pairs.append(
                Pair(
                    own,
                    path,
                    path,
                    group if index is None else own,
                    image_opener=partial(open_hdf5, path, name=inside.image, index=index),
                    mask_opener=partial(open_hdf5_mask, path, inside.mask, index),
                )
            )
    return Found(tuple(pairs), tuple(path for path in unpaired if path not in paths))


def _hdf5_labels(path: Path) -> Hdf5Labels:
    inside = find_hdf5_labels(path)
    if inside is None:
        raise DatasetError(
            f"{path.name} holds no pair of image and mask",
            expected="data sets such as img (h, w, bands) and mask (h, w), or stacks of them",
            do="Check the names and shapes in the file",
        )
    return inside


def _with_vectors(matches: Matches, root: Path) -> Found:
    """Images without masks and vector labels: see `find_vector_labels`."""
    found = find_vector_labels(matches.images_alone, matches.vectors)
    if found is None:
        return Found((), matches.unpaired, matches.images_alone)
    scheme, rest = named_scheme(list(found.classes))
    names, groups = names_and_groups(list(found.chosen), root)
    pairs = tuple(
        Pair(
            name,
            image,
            labels[0].path,
            group,
            label_files=tuple(dict.fromkeys(one.path for one in labels)),
            mask_opener=partial(open_vector_mask, labels, image, scheme.names, rest, own=found.own(image)),
        )
        for name, group, (image, labels) in zip(names, groups, found.chosen.items(), strict=True)
    )
    left = tuple(path for path in matches.unpaired if path not in found.chosen)
    alone = tuple(path for path in matches.images_alone if path not in found.chosen)
    source = "classes of the vector labels"
    return Found(pairs, left, alone, scheme, f"{source} ({'; '.join(found.told)})" if found.told else source)


def named_scheme(names: list[str]) -> tuple[ClassScheme, int]:
    """A scheme of these classes, and the id of what none of them covers.

    That is 255, not labelled; but beside a single class it is the class Background, for there would be nothing to
    tell it from. Classes that go by a name of the Dubai set take its colour.
    """
    if len(names) == 1 and names[0] != BACKGROUND:
        return ClassScheme(names=(BACKGROUND, names[0]), colours=((60, 60, 60), *_colours(names))), 0
    return ClassScheme(names=tuple(names), colours=tuple(_colours(names))), IGNORED_ID


def _colours(names: list[str]) -> list[tuple[int, int, int]]:
    colours: list[tuple[int, int, int]] = []
    for name, distinct in zip(names, distinct_colours(len(names)), strict=True):
        known = same_class(name, DUBAI)
        colour = distinct if known is None else DUBAI.colours[known]
        colours.append(distinct if colour in colours else colour)
    return colours
