"""Data sets: images with masks, found in a folder, with the classes that the masks show."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from core.classes import IGNORED_ID, ClassScheme
from core.datasets.archives import unpack
from core.datasets.layouts import Found, find_labelled, find_pairs
from core.datasets.masks import palettes
from core.datasets.masks.encodings import IDS, Encoding
from core.datasets.masks.sampling import of_classes, sample_masks
from core.datasets.pairing import says_role
from core.datasets.pairs import Pair
from core.datasets.remedies import REMEDY_FILE, Remedies, read_remedies
from core.datasets.table_labels import fetch_labels
from core.errors import DatasetError
from core.progress import OnProgress, ShouldStop
from core.reading.postgis import is_address, read_address
from core.reading.readable import refuse_no_dataset
from core.scenes.opening import open_scene
from core.words import counted, share_words

CLASS_FILE = "classes.json"
_CLASS_TABLES = ("class_dict.csv", "class_dict_seg.csv", "labelmap.txt", "label_colors.txt")
"""What public data sets call their tables of names and colours."""
_LAYOUTS = "images/ and masks/ (or img/label, also inside Tile folders), or scenes beside NAME_mask files"


@dataclass(frozen=True)
class Dataset:
    """Pairs of image and mask, and the classes. `scheme_source` says in words where the classes come from.

    `encoding`: how the masks' pixels say it, and `notes` what was understood of that or left out, in sentences.
    `marks_unlabelled`: a sample of the masks shows a colour or value that is no class, such as 255.
    """

    root: Path
    name: str
    pairs: tuple[Pair, ...]
    scheme: ClassScheme
    unpaired: tuple[Path, ...]
    scheme_source: str
    encoding: Encoding
    images_alone: tuple[Path, ...] = ()
    remedies: Remedies = field(default_factory=Remedies)
    marks_unlabelled: bool = False
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """ "colour" or "ids"."""
        return self.encoding.kind

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in the order of the pairs."""
        return tuple(dict.fromkeys(pair.group for pair in self.pairs))

    @property
    def class_file(self) -> Path | None:
        """The class file that lies in the data set's folder, whether it was used or not."""
        return _class_file(self.root)

    def pair(self, name: str) -> Pair:
        """The pair of that name. Raises DatasetError when there is none."""
        for pair in self.pairs:
            if pair.name == name:
                return pair
        raise DatasetError(f"no image named {name!r} in {self.name}", expected="a name from its list", do="Choose another")

    def only(self, names: Sequence[str]) -> Dataset:
        """The data set with just these pairs."""
        wanted = set(names)
        return replace(self, pairs=tuple(pair for pair in self.pairs if pair.name in wanted))

    @property
    def files(self) -> tuple[Path, ...]:
        """What the pairs are read from, each once; folders of bands or chips by what lies in them."""
        named = dict.fromkeys(path for pair in self.pairs for path in pair.files)
        return tuple(file for path in named for file in (sorted(path.iterdir()) if path.is_dir() else [path]) if file.is_file())

    @property
    def digest(self) -> str:
        """A short text that changes when a file, the pairing or the classes change: key for caches."""
        digest = hashlib.sha256(repr((self.scheme, self.encoding, self.remedies)).encode())
        for pair in self.pairs:
            digest.update(f"{pair.name}|{pair.group}|{pair.digest}".encode())
        return digest.hexdigest()[:16]


def open_dataset(
    path: str | os.PathLike,
    *,
    classes: str | os.PathLike | None = None,
    images: str = "",
    masks: str = "",
    unpack_to: str | os.PathLike | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Dataset:
    """Find the pairs of image and mask in a folder, an HDF5 file or a zip, and the classes that the masks show.

    Images are not opened, of the masks only a sample of 24. Masks are colour-coded, or integers in one band, or one
    file for each class, or data sets of HDF5 files, or vector layers. The classes come from the file `classes`; else
    from our remedy file `groundline.json`; else from the names of mask files or vector classes; else from
    `classes.json` when it agrees with the masks; else from the Dubai palette when that explains them; else every
    colour or value is a class. `images` and `masks` are patterns of files below the folder, or folders in it, that say which are
    which; else the remedy file's; else names tell. `masks` may also be the address of a table in PostGIS, which is fetched (a remedy
    file's never is: whoever wrote it would have this machine connect where they like). A zip is unpacked into `unpack_to`, or into a
    folder for temporary files. Raises DatasetError when there are no pairs, and ClassesError for a class file that cannot be read.
    """
    root = Path(path).expanduser()
    refuse_no_dataset(root)
    name = root.resolve().stem if root.is_file() else root.resolve().name
    if root.suffix.lower() == ".zip" and root.is_file():
        root = unpack(root, None if unpack_to is None else Path(unpack_to), on_progress=on_progress, should_stop=should_stop)
    named = root
    root = _innermost(root)
    place = root if root.is_dir() else root.parent
    remedies = read_remedies(place)
    if is_address(masks):
        labels = fetch_labels(read_address(masks), on_progress=on_progress, should_stop=should_stop)
        found = find_labelled(named, labels, images=images)
    elif images or masks:  # patterns count from the folder that was named, whatever lies in it alone
        found = find_pairs(named, images=images, masks=masks)
    else:
        found = find_pairs(root, images=remedies.images, masks=remedies.masks)
    if not found.pairs:
        raise DatasetError(
            _what_is_there(found, root),
            expected=f"pairs of image and mask: {_LAYOUTS}",
            do='Arrange the files so, or say which are which: --images "PATTERN" --masks "PATTERN", or on the Explore page',
        )
    read = _reading(place, found, remedies, classes)
    encoding = replace(read.encoding, snap=remedies.snap)
    pairs = _mended([replace(pair, encoding=encoding, looks=read.looks) for pair in found.pairs], remedies)
    if not pairs:
        raise DatasetError(f"every image of {name} is left out by {remedies.path}", expected="at least one pair", do="Mend the remedy file")
    return Dataset(
        root=place,
        name=name,
        pairs=tuple(pairs),
        scheme=palettes.with_ignored(read.scheme, remedies.ignore_colours),
        unpaired=found.unpaired,
        scheme_source=read.source,
        encoding=encoding,
        images_alone=found.images_alone,
        remedies=remedies,
        marks_unlabelled=read.marked,
        notes=(*found.notes, *read.notes),
    )


@dataclass(frozen=True)
class _Reading:
    """The classes, where they come from, how the masks are read, whether some pixels are marked as no class, and notes."""

    scheme: ClassScheme
    source: str
    encoding: Encoding
    marked: bool
    notes: tuple[str, ...] = ()
    looks: frozenset[tuple[int, str]] = frozenset()


def _reading(place: Path, found: Found, remedies: Remedies, classes: str | os.PathLike | None) -> _Reading:
    if found.scheme is not None:
        # The ids are ours, made from the names: a class file can rename and recolour them, but not reorder them.
        scheme, source = found.scheme, found.scheme_source
        if classes is not None:
            scheme, source = palettes.recoloured(scheme, ClassScheme.load(classes)), f"class file {Path(classes).name}, as asked"
        elif remedies.scheme is not None:
            scheme, source = palettes.recoloured(scheme, remedies.scheme), f"remedy file {REMEDY_FILE}"
        return _Reading(scheme, source, IDS, True)
    sample = sample_masks([partial(getattr, pair, "mask_file") for pair in found.pairs])
    if classes is not None:
        scheme, source = ClassScheme.load(classes), f"class file {Path(classes).name}, as asked"
    elif remedies.scheme is not None:
        scheme, source = remedies.scheme, f"remedy file {REMEDY_FILE}"
    else:
        scheme, source = palettes.choose_scheme(sample, class_file=_class_file(place))
    scheme, remark = palettes.fit_values(scheme, sample)
    coloured = sample.as_colours()
    if coloured.explained(scheme) > max(0.5, sample.explained(scheme)):
        sample = coloured
    marked = bool(sample.gaps or set(sample.counts) - of_classes(scheme, sample.kind))
    notes = list(sample.notes)
    if sample.kind == "ids" and IGNORED_ID in sample.counts and IGNORED_ID not in of_classes(scheme, "ids"):
        notes.append(f"The mask value 255 ({share_words(sample.counts[IGNORED_ID] / max(1, sample.total), 1)}) means not labelled")
    return _Reading(scheme, source + remark, sample.encoding, marked, tuple(notes), sample.looks)


def _innermost(root: Path) -> Path:
    """The folder inside folders that hold nothing else, as zips often have it; folders named images and such stay."""
    while root.is_dir():
        inside = [path for path in root.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir() or says_role(inside[0].name):
            break
        if not any(path.is_dir() for path in inside[0].iterdir()):
            break
        root = inside[0]
    return root


def _class_file(root: Path) -> Path | None:
    return next((root / name for name in (CLASS_FILE, *_CLASS_TABLES) if (root / name).is_file()), None)


def _mended(pairs: Sequence[Pair], remedies: Remedies) -> list[Pair]:
    return [
        replace(
            pair,
            group=remedies.groups.get(pair.name, pair.group),
            shift_px=remedies.shifts_px.get(pair.name, (0, 0)),
            crop=pair.name in remedies.crop,
            grid=remedies.grid.get(pair.name, ""),
            image_opener=pair.image_opener or (partial(open_scene, pair.image_path, alpha=remedies.alpha) if remedies.alpha else None),
        )
        for pair in pairs
        if pair.name not in remedies.exclude
    ]


def _what_is_there(found: Found, root: Path) -> str:
    count = len(found.unpaired)
    if count == 0:
        return f"no image file in {root.name}"
    return found.seen or f"{counted(count, 'image file')} in {root.name}, none of which has a mask"
