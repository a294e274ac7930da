"""Which classes a data set's masks show: from a class file, a known palette, or the masks themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from core.classes import DUBAI, IGNORED_ID, ClassScheme, from_hex, pack, to_hex, unpack
from core.datasets.masks.encodings import FRACTION, MIXED
from core.datasets.masks.outlines import MOST_COLOURS, NOISE, apart, blurred
from core.datasets.masks.public_palettes import PUBLIC_PALETTES
from core.datasets.masks.sampling import MaskSample, declared, of_classes
from core.errors import ClassesError

_RARE_FRACTION, _MIXED_FRACTION = 0.005, 0.03
_NEARLY_ALL = 0.98
_SMALL_IDS = 64
_SMALL_NUMBERS = 128
"""Where values reach further, they may be grey levels; class ids seldom do."""
_MOST_NUMBERS = 200
_NEAR = 6
"""Colours this close are one, where one of them is much commoner."""
_MUCH_COMMONER = 10


def choose_scheme(sample: MaskSample, *, class_file: Path | None) -> tuple[ClassScheme, str]:
    """The scheme that fits the masks, and a sentence that says where it comes from.

    The class file counts when it explains half of the masks' pixels, and no less than the Dubai palette does; then the
    Dubai palette when it explains half, and the palettes of other public sets when they explain nearly all; else every colour or
    value found is a class.
    """
    from_file = load_quietly(class_file)
    if class_file is not None and from_file is not None:
        fitted, remark = fit_values(from_file, sample)
        explained = sample.explained(fitted)
        better = sample.kind == "colour" and sample.explained(DUBAI) > explained
        if explained >= 0.5 and not better:
            return fitted, f"class file {class_file.name}{remark}"
        if sample.explained(fitted, nearly=_NEAR) >= _NEARLY_ALL:
            return fitted, f"class file {class_file.name}, whose colours the masks show nearly"
    if sample.kind == "colour":
        doubt = "" if class_file is None else f", because {class_file.name} does not agree with the masks"
        if sample.explained(DUBAI) >= 0.5:
            return DUBAI, f"palette of the Dubai set{doubt}"
        if sample.explained(DUBAI, nearly=_NEAR) >= _NEARLY_ALL:
            return DUBAI, f"palette of the Dubai set, which the masks show nearly{doubt}"
        title = _public_palette(sample)
        if title is not None:
            return PUBLIC_PALETTES[title], f"palette of {title}{doubt}"
    return discover(sample, from_file), f"{'colours' if sample.kind == 'colour' else 'values'} found in the masks"


def _public_palette(sample: MaskSample) -> str | None:
    """The public palette that explains nearly all pixels and whose colours are seen: five of them, and four fifths of a short one.

    Several are made of the same pure colours, and so may a user's own be: the one that is seen most fully counts.
    """
    best: tuple[float, str | None] = (0.0, None)
    for title, scheme in PUBLIC_PALETTES.items():
        seen = len(set(sample.counts) & of_classes(scheme, "colour"))
        if seen >= 5 and (len(scheme) > 8 or seen >= 0.8 * len(scheme)) and sample.explained(scheme) >= _NEARLY_ALL:
            best = max(best, (seen / len(scheme), title), key=lambda one: one[0])
    return best[1]


def fit_values(scheme: ClassScheme, sample: MaskSample) -> tuple[ClassScheme, str]:
    """A class list without values, fitted to masks of numbers: by its grey colours, or in the order of the numbers that the masks hold.

    Returns the scheme and a remark, empty where the list needed nothing. As many classes as numbers are needed, so that 0 and 255 are
    the two of a list of two, and 1 to 5 the five of a list of five.
    """
    if sample.kind != "ids" or scheme.values is not None or set(sample.counts) <= set(range(len(scheme))):
        return scheme, ""
    if all(len(set(colour)) == 1 for colour in scheme.colours):
        grey = replace(scheme, values=tuple(colour[0] for colour in scheme.colours))
        if set(sample.counts) - sample.rims <= declared(grey, "ids"):
            return grey, ", whose greys are the masks' values"
    codes = sorted(set(sample.counts) - sample.rims)
    void_fits = set(codes) <= {*range(len(scheme)), IGNORED_ID} and codes != [0, IGNORED_ID]
    if len(codes) == len(scheme) and not void_fits and min(codes) >= 0:
        return replace(scheme, values=tuple(codes)), f", its classes in the order of the masks' values {', '.join(map(str, codes))}"
    return scheme, ""


def load_quietly(path: Path | None) -> ClassScheme | None:
    """The scheme of a class file, None where there is none that can be read (the audit says so)."""
    try:
        return None if path is None else ClassScheme.load(path)
    except ClassesError:
        return None


def discover(sample: MaskSample, names: ClassScheme | None = None) -> ClassScheme:
    """A scheme with one class for each colour or value of the masks; `names` lends the names of colours it knows.

    Soft rims are no classes, nor are colours that lie close to a much commoner one. Where there are more than 32 colours or grey levels
    (masks that were saved as JPEG), the middles of their clusters are. Beside two or more ids, 255 and negative values mean "not
    labelled"; beside grey levels 255 is one of them.
    """
    codes = _main_codes(sample)
    if sample.kind == "ids":
        others = [code for code in codes if code >= 0]
        if len(others) >= 2:
            codes = others  # -1 and -9999 are what programs write where they have nothing to say
        others = [code for code in codes if code != IGNORED_ID]
        if len(others) >= 2 and means_unlabelled(others):
            codes = others
        plain = codes == list(range(len(codes)))
        unnamed = ClassScheme.unnamed(len(codes))
        known = tuple("Background" if code in sample.outside else f"Class {code}" for code in codes)
        return unnamed if plain and not sample.outside else replace(unnamed, names=known, values=tuple(codes))
    ignored = tuple(colour for colour in (names.ignored_colours if names else ()) if pack(colour) in codes)
    kept = [code for code in codes if code not in {int(pack(c)) for c in ignored}] or codes
    colours = [unpack(code) for code in kept]
    lent = dict(zip(names.colours, names.names, strict=True)) if names else {}
    lent |= {colour: "Background" for code, colour in zip(kept, colours, strict=True) if code in sample.outside}
    return ClassScheme(
        names=tuple(lent.get(colour, f"Class {to_hex(colour)}") for colour in colours),
        colours=tuple(colours),
        ignored_colours=() if kept is codes else ignored,
    )


def means_unlabelled(others: list[int]) -> bool:
    """Whether 255 beside these values means "not labelled": they are ids, small or close together, and no grey levels."""
    return max(others) < _SMALL_IDS or max(others) < 3 * len(others) + 5


def _main_codes(sample: MaskSample) -> list[int]:
    """The codes that are classes, in their order: without soft rims, noise, and what lies close to a much commoner colour."""
    codes = sorted(code for code in set(sample.counts) - sample.rims if code not in (MIXED, FRACTION))
    if not codes:
        return sorted(sample.counts)
    spread_out = sample.kind == "colour" or (max(codes) - min(codes) >= _SMALL_NUMBERS and max(codes) <= IGNORED_ID)
    if len(codes) > (MOST_COLOURS if spread_out else _MOST_NUMBERS):
        return _without_noise(sample, codes) if spread_out else _frequent(sample, codes)
    if sample.kind == "ids":
        return codes
    kept: list[int] = []
    for code in sorted(codes, key=lambda code: -sample.counts[code]):
        much = [one for one in kept if sample.counts[one] >= _MUCH_COMMONER * sample.counts[code]]
        if not any(apart(code, one, "colour") <= _NEAR for one in much):
            kept.append(code)
    return sorted(kept)


def _frequent(sample: MaskSample, codes: list[int]) -> list[int]:
    return [code for code in codes if sample.counts[code] >= _RARE_FRACTION * sample.total] or codes[:MOST_COLOURS]


def _without_noise(sample: MaskSample, codes: list[int]) -> list[int]:
    """The middles of the clusters that noisy colours or grey levels make, those that lie between two larger ones left out."""
    totals: dict[int, int] = {}
    for code in sorted(codes, key=lambda code: -sample.counts[code]):
        middle = next((one for one in totals if apart(code, one, sample.kind) <= NOISE), None)
        totals[code if middle is None else middle] = totals.get(code if middle is None else middle, 0) + sample.counts[code]
    kept: list[int] = []
    for code in sorted(totals, key=lambda code: -totals[code]):
        share = totals[code] / sample.total
        if share >= _RARE_FRACTION and not (share < _MIXED_FRACTION and len(kept) >= 2 and blurred(code, kept, sample.kind)):
            kept.append(code)
    return sorted(kept) or _frequent(sample, codes)


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
