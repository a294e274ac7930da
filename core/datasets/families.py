"""Images and masks that share no name: each family's common wording is taken off, and what is left is compared."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from core.datasets.file_names import IMAGE_WORDS, MASK_WORDS, NamedFile
from core.words import counted

_PICTURES = frozenset(("color", "colour", "rgb", "vis", "visual"))
"""Words of mask folders that hold the masks a second time, to look at."""
_NO_IMAGES = frozenset(("jrc", "jrcwaterhand", "water", "buildings", "roads", "boundaries", "before", "pre"))
"""Words of folders whose rasters are seldom the images, where others fit as well."""
_FEWEST_FAMILY = 2

Family = tuple[str, tuple[str, ...]]


def match_families(
    images: list[NamedFile], masks: list[NamedFile], matched: Sequence[NamedFile]
) -> tuple[list[tuple[NamedFile, NamedFile]], list[NamedFile], list[NamedFile], list[str]]:
    """Pairs of what is left, what finds no partner, and sentences about families that fit as well and were left out.

    A family is a folder's files, or those of them that end in the same words (top_2_10_RGB, top_2_11_RGB). Two families fit when the
    names without what all members share are equal (2_10), each once in its place. Of several families that fit the same partners
    the one with the most counts, then one called rgb for images, and one that is not called colour for masks. Masks that repeat the
    names of the `matched` images are such a second family too.
    """
    notes: list[str] = []
    pairs: list[tuple[NamedFile, NamedFile]] = []
    image_families, mask_families = (_families(files) for files in (images, masks))
    order = sorted(mask_families, key=lambda family: (bool(_PICTURES & set(_words(family))), -len(mask_families[family]), family))
    taken: set[int] = set()
    partners: dict[Family, Family] = {}
    for mask_family in order:
        candidates = []
        for image_family, members in image_families.items():
            if image_family in partners.values():
                continue
            found = _fitting([one for one in members if id(one) not in taken], mask_families[mask_family])
            if found:
                words = _words(image_family)
                rank = 2 * ("rgb" in words) + (not IMAGE_WORDS.isdisjoint(words)) - (not _NO_IMAGES.isdisjoint(words))
                candidates.append((len(found), rank, image_family, found))
        if not candidates:
            continue
        # As many pairs as any, then the colours that people know, then what is called an image, then the first by name.
        most = max(count for count, *_ in candidates)
        best = min((one for one in candidates if one[0] == most), key=lambda one: (-one[1], one[2]))
        partners[mask_family] = best[2]
        pairs += best[3]
        taken |= {id(file) for pair in best[3] for file in pair}
        for count, _, family, _ in candidates:
            if family != best[2] and count == most:
                left = counted(len(image_families[family]), "image")
                notes.append(f"{_title(best[2])} has the images in use; {left} of {_title(family)} fit the same masks and are left out")
                taken |= {id(file) for file in image_families[family]}
    used = [image for image, _ in pairs] + list(matched)
    for family, members in mask_families.items():
        if family not in partners and len(_fitting(used, members)) == len(members):
            notes.append(f"{counted(len(members), 'mask')} in {_title(family)} label images that have a mask already, and are left out")
            taken |= {id(file) for file in members}
    images_left, masks_left = ([file for file in files if id(file) not in taken] for files in (images, masks))
    return pairs, images_left, masks_left, notes


def _families(files: Sequence[NamedFile]) -> dict[Family, list[NamedFile]]:
    by_ending: dict[Family, list[NamedFile]] = defaultdict(list)
    for file in files:
        by_ending[file.side, _ending(file)].append(file)
    families: dict[Family, list[NamedFile]] = defaultdict(list)
    for (side, ending), members in by_ending.items():
        families[side, ending if len(members) >= _FEWEST_FAMILY else ()] += members
    return families


def _fitting(images: Sequence[NamedFile], masks: Sequence[NamedFile]) -> list[tuple[NamedFile, NamedFile]]:
    """The pairs of two families whose names without common wording are equal, each once in its place."""
    by_key = [_by_key(files) for files in (images, masks)]
    return [(by_key[0][key][0], found[0]) for key, found in by_key[1].items() if len(found) == 1 and len(by_key[0].get(key, ())) == 1]


def _by_key(files: Sequence[NamedFile]) -> dict[tuple, list[NamedFile]]:
    tokens = [_tokens(file) for file in files]
    first = last = 0
    if len(files) >= _FEWEST_FAMILY:
        while all(len(one) > first + 1 and one[first] == tokens[0][first] and not re.search(r"\d", one[first]) for one in tokens):
            first += 1
        while all(
            len(one) > first + last + 1 and one[-1 - last] == tokens[0][-1 - last] and not one[-1 - last].isdigit() for one in tokens
        ):
            last += 1
    found = defaultdict(list)
    for file, own in zip(files, tokens, strict=True):
        kept = own[first : len(own) - last]
        named = [token for token in kept if token not in IMAGE_WORDS and token not in MASK_WORDS]
        found[file.base, tuple(re.sub(r"\d+", lambda number: str(int(number[0])), token) for token in named)].append(file)
    return found


def _tokens(file: NamedFile) -> list[str]:
    return [token for token in re.split(r"[_\-\s.]+", file.stem.lower()) if token]


def _ending(file: NamedFile) -> tuple[str, ...]:
    tokens = _tokens(file)
    count = 0
    while count + 1 < len(tokens) and not re.search(r"\d", tokens[-1 - count]):
        count += 1
    return tuple(tokens[len(tokens) - count :])


def _words(family: Family) -> list[str]:
    side, ending = family
    return [token for token in re.split(r"[_\-\s.]+", side.lower()) if token] + list(ending)


def _title(family: Family) -> str:
    side, ending = family
    return side or f"*_{'_'.join(ending)}" if ending else side or "the folder"
