"""What lies in a folder or file: pairs of any kind, and the classes where the files' names or columns tell them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from core.classes import DUBAI, IGNORED_ID, ClassScheme
from core.colours.choosing import distinct_colours
from core.datasets.label_scenes import Hdf5Labels, find_hdf5_labels, holds_one_value, open_class_files, open_hdf5_mask
from core.datasets.masks.palettes import same_class
from core.datasets.masks.sampling import spread
from core.datasets.pairing import Match, Matches, match_folder, names_and_groups
from core.datasets.pairs import Pair
from core.datasets.vector_labels import open_vector_mask
from core.datasets.vector_layouts import find_vector_labels
from core.errors import DatasetError, MaskError, SceneError
from core.scenes.band_files import stack_path, write_stack
from core.scenes.hdf5_files import open_hdf5
from core.scenes.image_names import ARRAY_SUFFIXES, HDF5_SUFFIXES
from core.scenes.npy_files import npy_shape, open_npy
from core.scenes.opening import open_scene
from core.scenes.scene import Scene
from core.words import counted, listed, share_words

_CHECKED_IMAGES = 6
_MUCH_OVERLAP = 0.001

BACKGROUND = "Background"


@dataclass(frozen=True)
class Found:
    """Pairs and what is left over. `scheme` is None and `scheme_source` empty where the masks' pixels must tell the classes.

    `notes` say in sentences what was left out, `seen` what a folder without pairs holds.
    """

    pairs: tuple[Pair, ...]
    unpaired: tuple[Path, ...] = ()
    images_alone: tuple[Path, ...] = ()
    scheme: ClassScheme | None = None
    scheme_source: str = ""
    notes: tuple[str, ...] = ()
    seen: str = ""


def find_pairs(path: Path, *, images: str = "", masks: str = "") -> Found:
    """The pairs in a folder, or in an HDF5 file. No image is opened, of HDF5 files without partner only the first.

    `images` and `masks` are patterns as for `match_folder`. Raises DatasetError when a file is no data set.
    """
    if path.is_file():
        if path.suffix.lower() in HDF5_SUFFIXES:
            return _in_hdf5([path], path.parent, ())
        raise DatasetError(
            f"{path.name} is a single file",
            expected="a folder, a zip or an HDF5 file with images and masks",
            do="Give the folder that it lies in",
        )
    matches = match_folder(path, images=images, masks=masks)
    if matches.matches:
        return _of_matches(matches, path)
    hdf5 = [file for file in matches.images_alone if file.suffix.lower() in HDF5_SUFFIXES]
    if hdf5:
        return _in_hdf5(hdf5, path, matches.unpaired)
    if matches.vectors and matches.images_alone:
        return _with_vectors(matches, path)
    return Found((), matches.unpaired, matches.images_alone, seen=_seen(matches, path))


def find_labelled(path: Path, labels: Path, *, images: str = "") -> Found:
    """The images in a folder with the features of one vector file, whatever else may label them; see `find_vector_labels`.

    `images` is a pattern as for `match_folder`.
    """
    matches = match_folder(path, images=images)
    pictures = (*(match.image for match in matches.matches), *matches.images_alone)
    return _with_vectors(replace(matches, matches=(), images_alone=pictures, unpaired=(), vectors=(labels,)), path)


def _seen(matches: Matches, root: Path) -> str:
    """What lies in a folder without pairs, in words: how many images and masks, with an example each, and what was passed over."""
    alone = set(matches.images_alone)
    masks = [path for path in matches.unpaired if path not in alone]
    parts = []
    for count, what, examples in ((matches.images, "image", matches.images_alone), (matches.masks, "mask", masks)):
        example = f" (such as {examples[0].relative_to(root).as_posix()})" if examples else ""
        parts.append(f"{counted(count, what)}{example}")
    passed = [path.name for path in matches.passed]
    more = f"; passed over as neither: {listed(passed, 4)}" if passed else ""
    return f"{' and '.join(parts)} in {root.name}, none of which go together by their names{more}"


def _of_matches(matches: Matches, root: Path) -> Found:
    per_class = [match for match in matches.matches if match.mask_classes]
    if per_class and not _one_value_each(per_class):
        matches = replace(matches, matches=tuple(_as_plain(match, root) for match in matches.matches))
        per_class = []
    names = sorted({name for match in per_class for name in match.mask_classes})
    notes = list(matches.notes)
    if matches.passed:
        passed = listed([path.relative_to(root).as_posix() for path in matches.passed], 3)
        notes.append(f"{counted(len(matches.passed), 'raster')} passed over as neither image nor mask: {passed}")
    if per_class and (share := _overlap(per_class)) > _MUCH_OVERLAP:
        notes.append(f"Mask files of several classes claim the same pixels ({share_words(share, 1)}): the first by name counts")
    if not names:
        pairs = tuple(pair for match in matches.matches for pair in _plain_pairs(match))
        return Found(pairs, matches.unpaired, matches.images_alone, notes=tuple(notes))
    scheme, rest = named_scheme(names)
    pairs = tuple(_class_file_pair(match, scheme, rest) for match in per_class)
    if len(per_class) < len(matches.matches):
        others = [match.name for match in matches.matches if not match.mask_classes]
        notes.append(f"{counted(len(others), 'image')} with one mask instead of one for each class are left out: {listed(others)}")
    source = "names of the mask files, one for each class"
    return Found(pairs, matches.unpaired, matches.images_alone, scheme, source, tuple(notes))


def _plain_pairs(match: Match) -> list[Pair]:
    """The pair of an image and its mask, or those of two stacks of them that NumPy saved."""
    stack = _stacked(match.image, match.masks[0])
    if stack is None:
        return [Pair(match.name, _image_path(match), match.masks[0], match.group, image_opener=_image_opener(match))]
    return [
        Pair(
            f"{match.name}_{index:05d}",
            match.image,
            match.masks[0],
            f"{match.name}_{index:05d}",
            image_opener=partial(open_npy, match.image, index=index),
            mask_opener=partial(open_npy, match.masks[0], index=index),
        )
        for index in range(stack)
    ]


def _stacked(image: Path, mask: Path) -> int | None:
    """How many images and masks two array files hold, None where they hold one each. Raises DatasetError where the numbers differ."""
    if {image.suffix.lower(), mask.suffix.lower()} - set(ARRAY_SUFFIXES):
        return None
    images, masks = npy_shape(image), npy_shape(mask)
    if len(images) < 4:
        return None
    if len(masks) < 3 or images[0] != masks[0]:
        raise DatasetError(
            f"{image.name} of shape {images} and {mask.name} of shape {masks}",
            expected="as many masks (images, h, w) as images (images, h, w, bands)",
            do="Save both stacks in the same order",
        )
    return images[0]


def _overlap(matches: Sequence[Match]) -> float:
    """Share of the pixels that several class files claim, in a sample of the images."""
    several = total = 0
    for match in spread(matches, _CHECKED_IMAGES):
        try:
            claimed = [open_class_files((path,), (1,), 0).read()[..., 0] for path in match.masks]
        except (SceneError, MaskError):
            continue
        if len({one.shape for one in claimed}) == 1:
            several += int(np.count_nonzero(np.sum(claimed, axis=0) > 1))
            total += claimed[0].size
    return several / max(1, total)


def _one_value_each(matches: Sequence[Match]) -> bool:
    """Whether mask files of which each is to be a class hold 0 and one value, in a sample of the images."""
    try:
        return all(holds_one_value(path) for match in spread(matches, _CHECKED_IMAGES) for path in match.masks)
    except SceneError:
        return True  # the audit names the file that cannot be read


def _as_plain(match: Match, root: Path) -> Match:
    """The match with its only mask file as a mask of many classes. Raises DatasetError where there are several."""
    if len(match.masks) > 1:
        names = [path.relative_to(root).as_posix() for path in match.masks]
        raise DatasetError(
            f"{match.name} has {len(names)} masks that each hold several classes: {listed(names)}",
            expected="one mask for each image, or one of 0 and one value for each class",
            do='Say which are the masks, with --masks "PATTERN" or on the Explore page',
        )
    return replace(match, mask_classes=())


def _image_path(match: Match) -> Path:
    return stack_path(match.bands) if match.bands else match.image


def _image_opener(match: Match) -> Callable[[], Scene] | None:
    return partial(_open_stack, match.bands) if match.bands else None


def _open_stack(bands: tuple[Path, ...]) -> Scene:
    return open_scene(write_stack(bands), expand_palette=False)


def _class_file_pair(match: Match, scheme: ClassScheme, rest: int) -> Pair:
    ids = tuple(scheme.names.index(name) for name in match.mask_classes)
    opener = partial(open_class_files, match.masks, ids, rest)
    return Pair(
        match.name,
        _image_path(match),
        match.masks[0],
        match.group,
        label_files=match.masks,
        image_opener=_image_opener(match),
        mask_opener=opener,
    )


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
        return Found((), matches.unpaired, matches.images_alone, seen=_seen(matches, root))
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
    source = f"{source} ({'; '.join(found.told)})" if found.told else source
    return Found(pairs, left, alone, scheme, source, tuple(f"Vector labels: {words}" for words in found.told))


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
