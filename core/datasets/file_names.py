"""What the name and the folders of a file say about it: image or mask, which scene, and what is only wording."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.files import MEASURED_FILE, PREDICTION_FILE, STORE_FILE
from core.scenes.band_files import band_of, band_stacks

IMAGE_WORDS = frozenset(
    (
        *("image", "images", "img", "imgs", "rgb", "sat", "ortho", "scene", "scenes", "photo", "photos"),
        *("naip", "imagery", "bilder", "leftimg8bit"),
    )
)
MASK_WORDS = frozenset(
    (
        *("mask", "masks", "msk", "label", "labels", "lbl", "labeled", "labelled", "gt", "gts", "groundtruth", "truth"),
        *("seg", "segmentation", "segmented", "reference", "masken", "lab", "labelids"),
        *("annotation", "annotations", "annot", "ann", "anns", "target", "targets", "lc"),
    )
)
OTHER_WORDS = frozenset(
    ("instance", "instances", "object", "dsm", "ndsm", "dtm", "dem", "depth", "nlcd", "instanceids", "preview", "previews", "thumbnails")
)
"""Rasters that lie beside images and masks and are neither: outlines of single objects, heights, pictures to look at."""
_FORMAT_WORDS = frozenset(("png", "jpg", "jpeg", "tif", "tiff", "h5", "dir", "class", "classes", "semantic"))
PART_WORDS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "data", "dataset"))
_SIDE_WORDS = frozenset(("aerial", "original", "color", "colour", "for", "participants", "all", "full", "stillsraw", "approved"))
"""Words of folders that tell images from masks in one set or another, and say nothing about the place."""
_WHOLE_SETS = frozenset(("dataset", "datasets", "data"))
_SKIPPED_FOLDERS = frozenset(("__MACOSX", "__pycache__"))
_GLUED_ROLE = re.compile(rf"({'|'.join(sorted(PART_WORDS))})({'|'.join(sorted(IMAGE_WORDS | MASK_WORDS, key=len, reverse=True))})")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class NamedFile:
    """A raster and what its path says: "image", "mask", "other" or None; the folders that are left without such words.

    `base` are those folders without anything that tells images from masks, `side` is the folder that says the role. `bands` are the
    files of a scene that comes as one file for each band; `path` is the first of them.
    """

    path: Path
    role: str | None
    place: tuple[str, ...]
    stem: str
    plain_stem: str
    base: tuple[str, ...] = ()
    side: str = ""
    bands: tuple[Path, ...] = ()


def described(paths: Iterable[Path], root: Path) -> list[NamedFile]:
    """What the paths of rasters say; files that are one band each of a scene are one image."""
    files = [describe(path, root) for path in paths]
    labelled = {name for file in files if file.role == "mask" for name in (file.stem.lower(), file.plain_stem)}
    others = {(file.place, band_of(file.stem) is None) for file in files if file.role != "mask"}
    # A file with a mask of its own is an image, whatever its name; so is B1 beside A1 and C1.
    stacks = band_stacks(
        (file.place, file.stem, file.path)
        for file in files
        if file.role != "mask"
        and not {file.stem.lower(), file.plain_stem} & labelled
        and not ((band_of(file.stem) or ("x",))[0] == "" and (file.place, True) in others)
    )
    used = {path for paths in stacks.values() for path in paths}
    kept = [file for file in files if file.path not in used]
    for (place, name), parts in stacks.items():
        kept.append(NamedFile(parts[0], "image", place, name or parts[0].parent.name, name.lower(), place, "", parts))
    return kept


def walk(root: Path) -> Iterable[Path]:
    """Files below a folder in the order of their names; hidden ones and what programs made, ours too, are passed over."""
    for folder, folders, files in os.walk(root):
        if {STORE_FILE, PREDICTION_FILE, MEASURED_FILE} & {*files}:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(folder, name)


def describe(path: Path, root: Path) -> NamedFile:
    """What the path of one raster says."""
    folders = PurePosixPath(path.relative_to(root).parent.as_posix()).parts
    role: str | None = None
    side = ""
    place: list[str] = []
    base: list[str] = []
    for depth in range(len(folders) - 1, -1, -1):
        found, rest = role_of(folders[depth], folder=True) if role is None else (None, folders[depth])
        if found is not None:
            role, side = found, folders[depth]
        elif canonical := _canonical(folders[depth]):
            base.insert(0, canonical)
        if rest:
            place.insert(0, rest)
    stem = path.name.split(".")[0] if path.name.lower().endswith(".shp.zip") else path.stem
    stem_role, plain_stem = role_of(stem)
    if role is None and stem_role in ("mask", "other"):
        role = stem_role
    return NamedFile(path, role, tuple(place), stem, (plain_stem or stem).lower(), tuple(base), side)


def role_of(name: str, *, folder: bool = False) -> tuple[str | None, str]:
    """What a folder or file name says it is, and the name without that word."""
    tokens = split_words(name, folder=folder)
    lowered = [token.lower() for token in tokens]
    if folder and not _WHOLE_SETS.isdisjoint(lowered):
        return None, name  # "Semantic segmentation dataset" holds both
    for words, role in ((OTHER_WORDS, "other"), (MASK_WORDS, "mask"), (IMAGE_WORDS, "image")):
        if any(token in words for token in lowered):
            dropped = MASK_WORDS if role == "other" else words
            kept = [token for token, low in zip(tokens, lowered, strict=True) if low not in dropped and low not in _FORMAT_WORDS]
            return role, "_".join(kept)
    return None, name


def split_words(name: str, *, folder: bool = False) -> list[str]:
    """The words of a name; those of a folder are told by capitals too (JPEGImages), and where they are glued (trainannot)."""
    tokens = [token for token in re.split(r"[_\-\s.]+", name) if token]
    if not folder:
        return tokens
    tokens = [part for token in tokens for part in _CAMEL.split(token)]
    glued = [_GLUED_ROLE.fullmatch(token.lower()) for token in tokens]
    return [part for token, match in zip(tokens, glued, strict=True) for part in (match.groups() if match else (token,))]


def _canonical(folder: str) -> str:
    words = [token.lower() for token in split_words(folder, folder=True)]
    dropped = IMAGE_WORDS | MASK_WORDS | _SIDE_WORDS | _FORMAT_WORDS
    return "" if not _WHOLE_SETS.isdisjoint(words) else "_".join(word for word in words if word not in dropped)


def strip_number(stem: str) -> str:
    """The stem without its last number and the words row, col, part or chip beside it: a_r0_c12 -> a_r0."""
    shorter = re.sub(r"[_\-\s](?:part|chip|patch|row|col|r|c|x|y)?[_\-\s]?\d+$", "", stem, flags=re.IGNORECASE)
    return shorter or stem


def natural(text: str) -> list:
    """Sort key that puts Tile 10 after Tile 9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"(\d+)", text)]
