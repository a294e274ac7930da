"""Which classes a data set's masks show: from a class file, a known palette, or the masks themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.classes import DUBAI, IGNORED_ID, ClassScheme, from_hex, pack, to_hex
from core.errors import ClassesError, MaskError, SceneError
from core.scenes.display import three_bands
from core.scenes.scene import Scene

_SAMPLED_MASKS = 24
_SAMPLED_SIDE_PX = 2048
_SAMPLED_PIXELS = 12_000_000
_MOST_COLOURS = 32
_RARE_FRACTION = 0.005


@dataclass(frozen=True)
class MaskSample:
    """What a sample of the masks holds: "colour" or "ids", and the pixels of each colour code or value."""

    kind: str
    counts: dict[int, int]

    @property
    def total(self) -> int:
        """Number of pixels looked at."""
        return sum(self.counts.values())

    def explained(self, scheme: ClassScheme) -> float:
        """Share of the pixels whose colour or value the scheme declares."""
        known = declared(scheme, self.kind)
        return sum(n for code, n in self.counts.items() if code in known) / max(1, self.total)


def declared(scheme: ClassScheme, kind: str) -> set[int]:
    """Colour codes (red in the highest byte) or mask values that a scheme declares, the ignored ones included."""
    ignored = {scheme.ignored_id} if kind == "ids" else {int(pack(colour)) for colour in scheme.ignored_colours}
    return of_classes(scheme, kind) | ignored


def of_classes(scheme: ClassScheme, kind: str) -> set[int]:
    """Colour codes or mask values of the classes of a scheme, the ignored ones left out."""
    if kind == "ids":
        return set(scheme.values if scheme.values is not None else range(len(scheme)))
    return {int(pack(colour)) for colour in scheme.colours}


def is_colour_mask(mask: Scene) -> bool:
    """Whether a mask is colour-coded: three bands of uint8, or a palette."""
    return mask.bands >= 3 and mask.dtype == "uint8"


def sample_masks(openers: Sequence[Callable[[], Scene | None]]) -> MaskSample:
    """Count the colours or values of up to 24 masks, spread evenly over the data set, or fewer where they are large.

    Masks that cannot be read are passed over (the audit names them). Raises MaskError when not one of them can.
    """
    kinds, tables, pixels_seen = [], [], 0
    for opener in spread(openers):
        if pixels_seen > _SAMPLED_PIXELS:
            break
        try:
            mask = opener()
            shape = _sampled_shape(mask.shape)
            pixels = mask.read(out_shape=shape, categorical=True)
        except SceneError:
            continue
        kinds.append("colour" if is_colour_mask(mask) else "ids")
        tables.append(count_codes(as_codes(pixels, kinds[-1])))
        pixels_seen += mask.height * mask.width
    if not tables:
        raise MaskError("no mask that can be read", expected="masks that GDAL opens", do="Check the mask files")
    kind = "colour" if "colour" in kinds else "ids"
    counts: Counter[int] = Counter()
    for own, table in zip(kinds, tables, strict=True):
        # A grey mask among coloured ones: its value v is the colour (v, v, v).
        counts.update(table if own == kind else {code * 0x10101: n for code, n in table.items()})
    return MaskSample(kind, dict(counts))


def _sampled_shape(shape: tuple[int, int]) -> tuple[int, int] | None:
    if max(shape) <= _SAMPLED_SIDE_PX:
        return None
    factor = _SAMPLED_SIDE_PX / max(shape)
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def spread(items: Sequence, count: int = _SAMPLED_MASKS) -> list:
    """At most `count` items, evenly spaced, in an order whose every beginning is spread over the whole as well."""
    steps = min(count, len(items))
    chosen = [items[i * len(items) // steps] for i in range(steps)]
    bits = max(1, (steps - 1).bit_length())
    order = sorted(range(steps), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return [chosen[i] for i in order]


def as_codes(pixels: np.ndarray, kind: str) -> np.ndarray:
    """Colour codes or values, int (h, w), of mask pixels (h, w, bands)."""
    if kind == "ids":
        values = pixels[..., 0]
        return values if np.issubdtype(values.dtype, np.integer) else np.nan_to_num(values, nan=IGNORED_ID).astype(np.int64)
    return pack(three_bands(pixels))


def count_codes(codes: np.ndarray) -> dict[int, int]:
    """Pixels of each code. Masks hold few codes in large areas, so the commonest are peeled off before the rest is sorted."""
    counts: dict[int, int] = {}
    rest = codes.ravel()
    for _ in range(_MOST_COLOURS):
        if rest.size == 0:
            return counts
        code = rest[0]
        other = rest != code
        left = int(np.count_nonzero(other))
        counts[int(code)] = rest.size - left
        rest = rest[other]
    for code, count in zip(*np.unique(rest, return_counts=True), strict=True):
        counts[int(code)] = int(count)
    return counts


def choose_scheme(sample: MaskSample, *, class_file: Path | None) -> tuple[ClassScheme, str]:
    """The scheme that fits the masks, and a sentence that says where it comes from.

    The class file counts when it explains half of the masks' pixels, and no less than the Dubai palette does; then the
    Dubai palette when it explains half; else every colour or value found is a class.
    """
    from_file = load_quietly(class_file)
    if class_file is not None and from_file is not None:
        explained = sample.explained(from_file)
        better = sample.kind == "colour" and sample.explained(DUBAI) > explained
        if explained >= 0.5 and not better:
            return from_file, f"class file {class_file.name}"
    if sample.kind == "colour" and sample.explained(DUBAI) >= 0.5:
        doubt = "" if class_file is None else f", because {class_file.name} does not agree with the masks"
        return DUBAI, f"palette of the Dubai set{doubt}"
    return discover(sample, from_file), f"{'colours' if sample.kind == 'colour' else 'values'} found in the masks"


def load_quietly(path: Path | None) -> ClassScheme | None:
    """The scheme of a class file, None where there is none that can be read (the audit says so)."""
    try:
        return None if path is None else ClassScheme.load(path)
    except ClassesError:
        return None


def discover(sample: MaskSample, names: ClassScheme | None = None) -> ClassScheme:
    """A scheme with one class for each colour or value of the masks; `names` lends the names of colours it knows.

    Where there are more than 32 (masks that were saved as JPEG), only those with 0.5 % of the pixels count. The value
    255 means "not labelled" where there are two or more others.
    """
    codes = sorted(sample.counts)
    if len(codes) > _MOST_COLOURS:
        codes = [code for code in codes if sample.counts[code] >= _RARE_FRACTION * sample.total]
    if sample.kind == "ids":
        codes = [code for code in codes if code != IGNORED_ID or len(codes) <= 2] or codes
        plain = codes == list(range(len(codes)))
        unnamed = ClassScheme.unnamed(len(codes))
        return unnamed if plain else replace(unnamed, names=tuple(f"Class {code}" for code in codes), values=tuple(codes))
    ignored = tuple(colour for colour in (names.ignored_colours if names else ()) if pack(colour) in codes)
    kept = [code for code in codes if code not in {int(pack(c)) for c in ignored}] or codes
    colours = [((code >> 16) & 255, (code >> 8) & 255, code & 255) for code in kept]
    known = dict(zip(names.colours, names.names, strict=True)) if names else {}
    return ClassScheme(
        names=tuple(known.get(colour, f"Class {to_hex(colour)}") for colour in colours),
        colours=tuple(colours),
        ignored_colours=() if kept is codes else ignored,
    )


def with_ignored(scheme: ClassScheme, colours: Iterable[str]) -> ClassScheme:
    """The scheme with more colours that mean "not labelled"; colours of classes are left alone."""
    more = [from_hex(text) for text in colours]
    fresh = tuple(c for c in dict.fromkeys(more) if c not in scheme.colours + scheme.ignored_colours)
    names = scheme.ignored_names or ("Unlabeled",)
    return replace(scheme, ignored_colours=scheme.ignored_colours + fresh, ignored_names=names)


def recoloured(scheme: ClassScheme, other: ClassScheme) -> ClassScheme:
    """The classes of `scheme` in the colours that `other` gives to classes of the same name.

    Raises ClassesError when it knows none of them, or when two would get one colour.
    """
    known = {k: same_class(name, other) for k, name in enumerate(scheme.names)}
    if all(own is None for own in known.values()):
        raise ClassesError(
            f"a class list of {', '.join(other.names)}",
            expected=f"the classes {', '.join(scheme.names)}",
            do="Give them the names of the labels",
        )
    return replace(scheme, colours=tuple(scheme.colours[k] if own is None else other.colours[own] for k, own in known.items()))


def same_class(name: str, scheme: ClassScheme) -> int | None:
    """The class of a scheme that goes by that name, whatever is in brackets behind it: Land (unpaved area) is Land."""
    wanted = _plain(name)
    for class_id, own in enumerate(scheme.names):
        if _plain(own) == wanted:
            return class_id
    return None


def _plain(name: str) -> str:
    return name.split("(")[0].strip().casefold()
