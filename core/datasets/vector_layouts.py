"""Which vector file labels which image, and with which classes: one file for each, one for all, one for each class, or JSON of drawings."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.datasets.families import match_families
from core.datasets.file_names import describe
from core.datasets.pairing import says_role
from core.datasets.vector_labels import Labels, drawn_images, file_name_of, grid_of, is_label_file, stem_of, told_of
from core.errors import DatasetError, MaskError
from core.words import listed

_LABEL_WORDS = ("", "_labels", "_label", "_mask", "_masks", "_gt", "_annotations", "_annotation")
_MOST_CLASSES = 254
_OBJECTS = "Labelled"
"""What features are called whose file is called after its image, and which have no column of classes."""

Chosen = dict[Path, tuple[Labels, ...]]


@dataclass(frozen=True)
class VectorLabels:
    """The labels of each image, the classes, what has to be said of both, and the files that label several images."""

    chosen: Mapping[Path, tuple[Labels, ...]]
    classes: tuple[str, ...]
    told: tuple[str, ...]
    shared: frozenset[Path]

    def own(self, image: Path) -> bool:
        """Whether the labels of an image are of no other one."""
        return not any(one.path in self.shared for one in self.chosen[image])


def find_vector_labels(images: Sequence[Path], vectors: Sequence[Path]) -> VectorLabels | None:
    """The labels of each image among vector files; None where none of them labels any.

    A file labels the image that it names or is named after (IMAGE.gpkg, IMAGE_CLASS.gpkg, CLASS/IMAGE.gpkg); files named after no image
    label those that they lie nearest to, and where these are several each holds a class. Raises DatasetError where no feature has a class,
    or the classes are too many.
    """
    files = [path for path in vectors if is_label_file(path)]
    chosen, missing = _by_drawing(images, files)
    on_ground = [path for path in files if drawn_images(path) is None]
    rest = [image for image in images if image not in chosen]
    chosen |= _by_name(rest, on_ground) or _by_family(rest, on_ground) or _by_place(rest, on_ground)
    if not chosen:
        return None
    chosen, guessed = _on_grids({image: chosen[image] for image in images if image in chosen})
    every = {(one.path, one.named, one.called, one.image): one for labels in chosen.values() for one in labels}
    layers = [layer for one in every.values() for layer in one.layers()]
    empty = sorted({one.path.name for one in every.values() if not one.image and not any(len(layer.classes) for layer in one.layers())})
    if not any(len(layer.classes) for layer in layers):
        raise MaskError(
            f"no features in {listed(empty or [layers[0].path.name], 3)}", expected="labels drawn as polygons or lines", do="Check the file"
        )
    classes, alike = _spelt_once(Counter(name for layer in layers for name in layer.classes if name is not None))
    if not 1 <= len(classes) <= _MOST_CLASSES:
        raise DatasetError(
            f"{len(classes) or 'no'} classes in {layers[0].path.name if layers else 'the vector labels'}",
            expected=f"features of 1 to {_MOST_CLASSES} classes",
            do="Name the class of each feature, in a column class_name say",
        )
    counts = Counter(path for labels in chosen.values() for path in {one.path for one in labels})
    unused = [path.name for path in files if path not in counts]
    told = [*told_of(layers), *alike, *guessed, *missing]
    if empty:
        told.append(f"no features in {listed(empty, 3)}")
    if unused:
        told.append(f"{len(unused)} vector files label no image ({unused[0]}{', ...' if len(unused) > 1 else ''})")
    shared = frozenset(path for path, count in counts.items() if count > 1)
    return VectorLabels(chosen, tuple(classes), tuple(told), shared)


def _by_drawing(images: Sequence[Path], files: Sequence[Path]) -> tuple[Chosen, tuple[str, ...]]:
    """Images that COCO and labelme files name, and words on those that are named and not there."""
    by_name, by_stem = defaultdict(list), defaultdict(list)
    for image in images:
        by_name[image.name.lower()].append(image)
        by_stem[image.stem.lower()].append(image)
    chosen: Chosen = {}
    missing: list[str] = []
    for path in files:
        for name in drawn_images(path) or ():
            short = file_name_of(name)
            found = by_name.get(short) or by_stem.get(short.rpartition(".")[0]) or by_stem.get(path.stem.lower())
            if not found:
                missing.append(name)
                continue
            image = max(found, key=lambda image: (_ends_alike(image, name), _folders_shared(image, path)))
            chosen[image] = (*chosen.get(image, ()), Labels(path, image=name))
    if not missing:
        return chosen, ()
    return chosen, (f"{len(missing)} images that the annotations name are not there ({missing[0]}{', ...' if len(missing) > 1 else ''})",)


def _ends_alike(image: Path, name: str) -> int:
    """How many parts, from its end, an image's path has in common with the path that an annotation file names."""
    wanted, own = name.replace("\\", "/").lower().split("/")[::-1], image.as_posix().lower().split("/")[::-1]
    return next((k for k, (one, other) in enumerate(zip(wanted, own, strict=False)) if one != other), min(len(wanted), len(own)))


def _folders_shared(image: Path, file: Path) -> int:
    pairs = list(zip(image.parent.parts, file.parent.parts, strict=False))
    return next((k for k, (one, other) in enumerate(pairs) if one != other), len(pairs))


def _by_name(images: Sequence[Path], files: Sequence[Path]) -> Chosen:
    """Files that are called after an image, alone or with a class behind its name; folders name classes where several are called alike."""
    stems = {image.stem.lower() for image in images}
    alike: dict[str, list[Path]] = defaultdict(list)
    parted: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path in files:
        stem = stem_of(path).lower()
        whole = next((name for word in _LABEL_WORDS if stem.endswith(word) and (name := stem.removesuffix(word)) in stems), None)
        if whole is not None:
            alike[whole].append(path)
            continue
        owner = max((name for name in stems if re.match(rf"{re.escape(name)}[_\-. ]+\D", stem)), key=len, default=None)
        if owner is not None:
            parted[owner].append((path, stem_of(path)[len(owner) :].lstrip("_-. ")))
    chosen: Chosen = {}
    for image in images:
        found = _nearest(image, alike[image.stem.lower()])
        pieces = dict(parted[image.stem.lower()])
        near = _nearest(image, list(pieces))
        if len({path.parent for path in found}) > 1:
            chosen[image] = tuple(Labels(path, named=_class_folder(path)) for path in found)
        elif found:
            chosen[image] = (Labels(found[0], called=_OBJECTS),)
        elif near:
            chosen[image] = tuple(Labels(path, named=pieces[path]) for path in near)
    return chosen


def _by_family(images: Sequence[Path], files: Sequence[Path]) -> Chosen:
    """Files whose names are an image's but for the wording of their folder (buildings_img1, RGB_img1); see `match_families`."""
    if not images or not files:
        return {}
    root = Path(os.path.commonpath([path.parent for path in (*images, *files)]))
    pictures, labels = ([describe(path, root) for path in paths] for paths in (images, files))
    # The folders above are those of images and labels; what tells the pairs is in the names.
    pictures, labels = ([replace(file, base=(), side=file.path.parent.as_posix()) for file in found] for found in (pictures, labels))
    pairs, *_ = match_families(pictures, labels, [])
    return {image.path: (Labels(label.path, called=_class_folder(label.path) or _OBJECTS),) for image, label in pairs}


def _class_folder(path: Path) -> str | None:
    return None if says_role(path.parent.name) else path.parent.name


def _by_place(images: Sequence[Path], files: Sequence[Path]) -> Chosen:
    """Files that are called after no image label those that they lie nearest to: one all classes, of several each its own."""
    chosen: Chosen = {}
    for image in images:
        near = _nearest(image, files)
        if len(near) == 1:
            chosen[image] = (Labels(near[0]),)
        elif near:
            differ = len({stem_of(path).lower() for path in near}) == len(near)
            chosen[image] = tuple(Labels(path, named=stem_of(path) if differ else _class_folder(path)) for path in near)
    return chosen


def _nearest(image: Path, files: Sequence[Path]) -> list[Path]:
    """The files that share most folders with an image, in the order of their names."""
    most = max((_folders_shared(image, path) for path in files), default=0)
    return sorted(path for path in files if _folders_shared(image, path) == most)


def _on_grids(chosen: Chosen) -> tuple[Chosen, tuple[str, ...]]:
    """The labels with the grids of coordinates that no CRS explains, and words on what was guessed."""
    placed: Chosen = {}
    told: dict[str, None] = {}
    settled: set[Path] = set()  # files that lie where their CRS says, as one image has shown
    for image, labels in chosen.items():
        fitted = []
        for one in labels:
            own, words = (one, None) if one.path in settled else grid_of(one, image)
            if own.grid is None:
                settled.add(one.path)
            if words:
                told[words] = None
            fitted.append(own)
        placed[image] = tuple(fitted)
    said = list(told)
    return placed, (*said[:3], *([f"{len(said) - 3} more files likewise"] if len(said) > 3 else []))


def _spelt_once(names: Counter[str]) -> tuple[list[str], list[str]]:
    """The classes, in order, each as it is spelt most often, and words on those that differ by capital letters alone."""
    spelt: dict[str, list[str]] = defaultdict(list)
    for name, _ in names.most_common():
        spelt[name.casefold()].append(name)
    alike = [f"{' and '.join(sorted(ways))} are one class" for ways in spelt.values() if len(ways) > 1]
    return sorted((ways[0] for ways in spelt.values()), key=_natural), alike


def _natural(name: str) -> list:
    """Sort key that puts class 10 behind class 9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
