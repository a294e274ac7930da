"""What a sample of a data set's masks holds, and how they have to be read: guesses that were checked against the pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.classes import IGNORED_ID, ClassScheme, pack
from core.datasets.masks.encodings import COLOURS, IDS, Encoding, as_codes, whole
from core.datasets.masks.outlines import MOST_COLOURS, apart, count_codes, soft_rims
from core.errors import MaskError, SceneError
from core.scenes.opening import open_scene
from core.scenes.rasters import BAND, RasterSource, white_is_zero
from core.scenes.scene import Scene, Window
from core.words import listed, share_words

_SAMPLED_MASKS = 24
_SAMPLED_SIDE_PX = 2048
_SAMPLED_PIXELS = 12_000_000
_OUTLINE_SIDE_PX = 1024
_FEW_PIXELS = 0.001
_FEW = 5000
_IDS_IN_COLOUR = 64
"""Numbers below this in a single band of three are ids; larger ones are one of the three primary colours."""


@dataclass(frozen=True)
class MaskSample:
    """What a sample of the masks holds: "colour" or "ids", and the pixels of each colour code or value.

    `encoding` is how the masks are read, `notes` say in sentences what was understood or left out, `rims` are codes that only stand
    on outlines between others (soft rims), `gaps` the pixels without data that are not among the `counts`, and `outside` the codes
    that only pixels without data have, where those are counted. `looks` are the (bands, dtype) of the masks as they are opened.
    """

    kind: str
    counts: dict[int, int]
    encoding: Encoding = field(default=COLOURS, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    rims: frozenset[int] = field(default=frozenset(), compare=False)
    gaps: int = field(default=0, compare=False)
    outside: frozenset[int] = field(default=frozenset(), compare=False)
    looks: frozenset[tuple[int, str]] = field(default=frozenset(), compare=False)

    @property
    def total(self) -> int:
        """Number of pixels looked at."""
        return sum(self.counts.values())

    def explained(self, scheme: ClassScheme, *, nearly: int = 0) -> float:
        """Share of the pixels whose colour or value the scheme declares, or one of its colours that differs by `nearly` per channel."""
        known = declared(scheme, self.kind)
        if nearly and self.kind == "colour":
            return sum(n for code, n in self.counts.items() if min(apart(code, one, "colour") for one in known) <= nearly) / max(
                1, self.total
            )
        return sum(n for code, n in self.counts.items() if code in known) / max(1, self.total)

    def as_colours(self) -> MaskSample:
        """The sample of grey masks with the value v as the colour (v, v, v); itself where the masks are no plain 8-bit greys."""
        if self.kind != "ids" or self.encoding.form not in ("plain", "band") or not all(0 <= code <= 255 for code in self.counts):
            return self
        encoding = replace(COLOURS, heeds_gaps=self.encoding.heeds_gaps)
        return MaskSample("colour", {code * 0x10101: n for code, n in self.counts.items()}, encoding, self.notes, gaps=self.gaps)


def declared(scheme: ClassScheme, kind: str) -> set[int]:
    """Colour codes (red in the highest byte) or mask values that a scheme declares, the ignored ones included."""
    ignored = {scheme.ignored_id} if kind == "ids" else {int(pack(colour)) for colour in scheme.ignored_colours}
    return of_classes(scheme, kind) | ignored


def of_classes(scheme: ClassScheme, kind: str) -> set[int]:
    """Colour codes or mask values of the classes of a scheme, the ignored ones left out."""
    if kind == "ids":
        return set(scheme.mask_values)
    return {int(pack(colour)) for colour in scheme.colours}


@dataclass(frozen=True, eq=False)
class _Look:
    """One mask of the sample: pixels (h, w, bands) as they lie in the file, which are valid (h, w), and its palette or None."""

    mask: Scene
    pixels: np.ndarray
    valid: np.ndarray
    palette: tuple[tuple[int, ...], ...] | None
    encoding: Encoding | None
    """How this mask alone would be read; None where it is 0 everywhere, which fits every form."""

    def opened(self, encoding: Encoding) -> tuple[int, str]:
        """Bands and dtype of the mask when it is opened as the data set's encoding wants it."""
        return (3, "uint8") if self.palette is not None and encoding.kind == "colour" else (self.mask.bands, self.mask.dtype)

    def plain_pixels(self, encoding: Encoding) -> np.ndarray:
        """The pixels as the data set's encoding reads them."""
        if self.palette is not None:
            return self.pixels if encoding.kind == "ids" else _table(self.palette)[np.minimum(self.pixels[..., 0], len(self.palette) - 1)]
        if encoding.form == "band" and self.pixels.shape[2] == 1:
            return self.pixels
        return encoding.codes(self.pixels)


def sample_masks(openers: Sequence[Callable[[], Scene | None]], *, more: bool = False) -> MaskSample:
    """Count the colours or values of up to 24 masks, spread evenly over the data set, or fewer where they are large; of 240 where
    those show one value, or where `more` are asked for.

    The openers give masks as `open_scene` does, palettes as colours. Masks that cannot be read are passed over (the audit names
    them). Raises MaskError when not one of them can, and for masks of a kind that is not understood.
    """
    looks, pixels_seen, trouble = [], 0, ""
    for opener in spread(openers, 10 * _SAMPLED_MASKS if more else _SAMPLED_MASKS):
        if pixels_seen > _SAMPLED_PIXELS * (4 if more else 1):
            break
        try:
            mask = opener()
            if mask is not None:
                looks.append(_look(mask))
                pixels_seen += mask.height * mask.width
        except SceneError as error:
            trouble = trouble or f": {error.found}"
    if len(openers) > _SAMPLED_MASKS and not more and _show_one_value(looks):
        return sample_masks(openers, more=True)  # masks of one value say nothing yet: rare objects lie in others
    if not looks:
        raise MaskError(f"no mask that can be read{trouble}", expected="masks that GDAL opens", do="Check the mask files")
    encoding = _common(looks)
    codes = [as_codes(look.plain_pixels(encoding), encoding.kind) for look in looks]
    valid, everything = Counter[int](), Counter[int]()
    for look, own in zip(looks, codes, strict=True):
        counts = count_codes(own)
        everything.update(counts)
        valid.update(counts if look.valid.all() else count_codes(own[look.valid]))
    gaps = everything.total() - valid.total()
    # Without a second class there is nothing to tell the only one from: then the pixels without data are the background.
    heeds = gaps > 0 and len([code for code in valid if code != IGNORED_ID or encoding.kind == "colour"]) >= 2
    encoding = replace(encoding, heeds_gaps=heeds or gaps == 0, saw_gaps=gaps > 0)
    found_looks = frozenset(look.opened(encoding) for look in looks)
    if gaps and len(everything) == 1 and encoding.form in ("plain", "band"):
        # One value everywhere, and transparency draws the object.
        opaque = {0: gaps, 1: everything.total() - gaps}
        encoding = replace(IDS, form="opaque", saw_gaps=True)
        return MaskSample(
            "ids", opaque, encoding, ("The masks have one colour; what is not transparent is the object",), outside=frozenset({0})
        )
    counts = dict(valid if heeds else everything)
    whole_size = (
        own if sampled_shape(look.mask.shape) is None else _middle(look, encoding) for look, own in zip(looks, codes, strict=True)
    )
    rims = soft_rims(whole_size, encoding.kind, counts)
    outside = frozenset() if heeds else frozenset(set(everything) - set(valid))
    return MaskSample(
        encoding.kind, counts, encoding, tuple(_notes(looks, encoding, gaps)), rims, gaps if heeds else 0, outside, found_looks
    )


def _look(mask: Scene) -> _Look:
    source, palette = mask.source, None
    if isinstance(source, RasterSource) and source.palette is not None:
        palette = source.palette
        mask = replace(mask, bands=1, source=replace(source, palette=None))
    shape = sampled_shape(mask.shape)
    whole_file = _with_transparency(mask)
    if whole_file is not None:
        pixels = whole_file.read(out_shape=shape, categorical=True)
        own = _in_all_bands(pixels.reshape(-1, pixels.shape[2]))
        if own is not None:
            return _Look(whole_file, pixels, np.ones(pixels.shape[:2], bool), None, own)
    pixels, valid = mask.read(out_shape=shape, categorical=True), mask.valid(out_shape=shape)
    return _Look(mask, pixels, valid, palette, _own_encoding(mask, pixels, valid, palette))


def _with_transparency(mask: Scene) -> Scene | None:
    """The mask with the band that its file marks as transparency as one of its bands; None where there is none."""
    if not isinstance(mask.source, RasterSource) or mask.source.palette is not None:
        return None
    every = open_scene(mask.path, expand_palette=False, alpha=BAND)
    return every if every.bands > mask.bands else None


def _in_all_bands(seen: np.ndarray) -> Encoding | None:
    """How a mask is read whose last band is no transparency, although it looks so: a band for each class, or all in the last band."""
    used = [band for band in range(seen.shape[1]) if seen[:, band].any()]
    if used == [seen.shape[1] - 1]:
        return replace(IDS, form="band", band=seen.shape[1], alpha=BAND)
    if len(used) > 1 and used[-1] == seen.shape[1] - 1 and _is_one_hot(seen, wide=True):
        return replace(IDS, form="one-hot", alpha=BAND)
    return None


def _own_encoding(mask: Scene, pixels: np.ndarray, valid: np.ndarray, palette: tuple | None) -> Encoding | None:
    """How one mask alone would be read. Raises MaskError where that is not understood."""
    seen = pixels[valid] if valid.any() and not valid.all() else pixels.reshape(-1, pixels.shape[2])
    if palette is not None:
        if not seen.any():
            return None
        return replace(IDS, form="indices") if _needs_indices(np.unique(seen), palette) else COLOURS
    bands, floating = seen.shape[1], np.issubdtype(seen.dtype, np.floating)
    if floating:
        seen = seen[np.isfinite(seen).all(axis=1)]
    if not seen.any():
        return None if bands > 1 else IDS
    few = seen[:: max(1, len(seen) // _FEW)]
    if (
        bands == 3
        and few.dtype == np.uint8
        and few.max() >= _IDS_IN_COLOUR
        and (few > 0).any(axis=0).sum() > 1
        and np.ptp(few, axis=1).any()
    ):
        return COLOURS  # several bands that differ and hold large numbers: no ids, and no band for each class
    used = [band for band in range(bands) if seen[:, band].any()]
    if bands > 1 and all(np.array_equal(seen[:, band], seen[:, 0]) for band in range(1, bands)):
        used = [0]
    if len(used) == 1:
        values = seen[:, used[0]]
        # One primary colour on black stays a colour; small numbers in one band of three are ids that an RGB file was made for.
        if bands != 3 or seen.dtype.itemsize > 2 or values.max() < _IDS_IN_COLOUR or (seen[:, 0] == seen[:, -1]).all():
            form = "plain" if bands == 1 else "band"
            return _numbers(mask, values, replace(IDS, form=form, band=used[0] + 1))
    if _is_one_hot(seen, wide=bands != 3):
        return replace(IDS, form="one-hot")
    if bands in (3, 4):
        return _colours(mask, seen[:, :3])
    raise MaskError(
        f"{mask.path.name} has {bands} bands that are neither colours nor one band for each class",
        expected="class ids in one band, colours in three, or a band of 0 and 1 for each class",
        do="Save the mask in one of these forms",
    )


def _numbers(mask: Scene, values: np.ndarray, encoding: Encoding) -> Encoding:
    """Whole numbers, or such from 0 to 1 that were whole before they were divided by 255."""
    if white_is_zero(mask.source) and encoding.form == "plain":
        top = int(np.iinfo(values.dtype).max) if values.dtype != np.uint8 or values.max() > 1 else 1
        if np.isin(values, (0, top)).all():
            return replace(encoding, form="inverted", step=top)
    if not np.issubdtype(values.dtype, np.floating) or (whole(values) > -1e9).mean() >= 1 - _FEW_PIXELS:
        return encoding
    if encoding.form == "plain" and values.min() >= 0 and values.max() <= 1 and (whole(values * 255.0) > -1e9).all():
        codes = len(np.unique(whole(values * 255.0)))
        if codes <= MOST_COLOURS:
            return replace(encoding, form="scaled", step=1 / 255)
    odd = values[whole(values) < -1e9]
    raise MaskError(
        f"{mask.path.name} holds numbers that are not whole, such as {odd[0]:.4g}, in {share_words(odd.size / values.size)} of its pixels",
        expected="class ids",
        do="Save classes instead of probabilities or resampled values",
    )


def _colours(mask: Scene, seen: np.ndarray) -> Encoding:
    """Colours of 8 or 16 bits, or from 0 to 1."""
    if seen.dtype == np.uint8:
        return COLOURS
    top = seen.max()
    for step in (1.0, 257.0, 256.0, 1 / 255):
        scaled = seen.astype(np.float64) / step
        if seen.min() >= 0 and scaled.max() <= 255 + 1e-6 and np.abs(scaled - np.rint(scaled)).max() <= 1e-2 and (step < 1 or top > 1):
            return replace(COLOURS, form="scaled", step=step)
    raise MaskError(
        f"{mask.path.name} has three bands of {seen.dtype} up to {top:g}, which are no colours of 8 bits",
        expected="colours from 0 to 255, the same times 257 or 256, or from 0 to 1",
        do="Save the mask as 8-bit colours or as class ids",
    )


def _is_one_hot(seen: np.ndarray, *, wide: bool) -> bool:
    """Whether every band holds 0 and one other value, the same in all, and nearly every pixel has one band set at most."""
    top = seen.max()
    if not wide and np.issubdtype(seen.dtype, np.floating) and not (seen > 0).any(axis=1).all():
        return False  # black, red, green and blue from 0 to 1
    if not (wide or top == 1) or not ((seen == 0) | (seen == top)).all():
        return False
    return bool(((seen > 0).sum(axis=1) <= 1).mean() >= 1 - _FEW_PIXELS)


def _needs_indices(used: np.ndarray, palette: tuple[tuple[int, ...], ...]) -> bool:
    """Whether a palette's colours would tell less than its numbers: indices beyond the table, equal colours, or a ramp of greys."""
    if used.max() >= len(palette):
        return True
    grey = all(colour[:3] == (index,) * 3 for index, colour in enumerate(palette))
    return grey or len({palette[index][:3] for index in used}) < len(used)


def own_encoding(mask: Scene) -> Encoding | None:
    """How one mask alone would be read, None where it is 0 everywhere. Raises MaskError where that is not understood."""
    return _look(mask).encoding


def goes_with(own: Encoding | None, encoding: Encoding) -> bool:
    """Whether a mask that alone would be read as `own` can be read as the others of its data set are."""
    if own is None or (own.kind, own.form, own.step) == (encoding.kind, encoding.form, encoding.step):
        return True
    grey = own.form in ("plain", "band") and own.kind == "ids"
    return grey and (encoding.kind == "colour" or encoding.form in ("plain", "band", "indices"))


def _show_one_value(looks: Sequence[_Look]) -> bool:
    """Whether all pixels of a sample are equal; those of none are."""
    firsts = {tuple(look.pixels[0, 0].tolist()) for look in looks}
    return len(firsts) <= 1 and not any((look.pixels != look.pixels[0, 0]).any() for look in looks)


def _common(sample: Sequence[_Look]) -> Encoding:
    """The encoding that reads all masks. Raises MaskError where kinds do not go together."""
    looks = [look for look in sample if look.encoding is not None]
    found = {look.encoding: look for look in looks if look.encoding is not None}
    if not found:
        return IDS if all(look.pixels.shape[2] == 1 for look in sample) else COLOURS
    if _own_tables(looks):
        return replace(IDS, form="indices")
    if len(found) == 1:
        return next(iter(found))
    forms = {encoding.form for encoding in found}
    kinds = {encoding.kind for encoding in found}
    palettes = [look for look in looks if look.palette is not None]
    if kinds == {"ids"} and forms <= {"plain", "band", "indices"}:
        bands = {encoding.band for encoding in found if encoding.form == "band"}
        if len(bands) <= 1:
            return replace(IDS, form="band" if bands else "indices" if "indices" in forms else "plain", band=max(bands, default=1))
    if len(palettes) == len(looks):
        return replace(IDS, form="indices")  # the numbers of some say more than their colours
    if forms <= {"plain", "band"} and "colour" in kinds:
        return COLOURS  # a grey mask among coloured ones: its value v is the colour (v, v, v)
    if kinds == {"colour"} and forms <= {"plain", "scaled"} and len({one.step for one in found if one.form == "scaled"}) == 1:
        return next(one for one in found if one.form == "scaled")
    names = [f"{look.mask.path.name} ({_words(encoding)})" for encoding, look in found.items()]
    raise MaskError(
        f"masks of different kinds: {listed(names)}", expected="masks that are all written the same way", do="Convert some of them"
    )


def _own_tables(looks: Sequence[_Look]) -> bool:
    """Whether the files' palettes give the same few numbers colours of their own in each file, as programs do that draw them at random."""
    used = [(look.palette, np.unique(look.pixels[look.valid]).tolist()) for look in looks if look.palette is not None]
    if len(used) < 2 or len(used) < len(looks):
        return False
    colours = {palette[index][:3] for palette, own in used for index in own if index < len(palette)}
    numbers = {index for _, own in used for index in own}
    most = max(len(own) for _, own in used)
    return len(numbers) <= most + 1 and len(colours) > 1.5 * len(numbers)


def _words(encoding: Encoding) -> str:
    words = {
        "indices": "numbers of a palette",
        "band": f"numbers in band {encoding.band}",
        "one-hot": "a band for each class",
        "scaled": "scaled values",
        "inverted": "white is zero",
    }
    return words.get(encoding.form, "colours" if encoding.kind == "colour" else "numbers")


def _notes(looks: Sequence[_Look], encoding: Encoding, gaps: int) -> Iterable[str]:
    """What was understood of the masks' form, and what was left out, in sentences."""
    if encoding.form == "indices":
        yield "The masks' palette says less than its numbers (equal colours, greys, or a table for each file), so the numbers count"
    bands = max(look.pixels.shape[2] for look in looks)
    if encoding.form == "band" and bands > 1:
        yield f"The masks have {bands} bands; the classes are the numbers in band {encoding.band}, the others are equal to it or empty"
    if encoding.form == "one-hot":
        yield f"The masks have a band for each of {bands} classes; pixels in none of them are not labelled"
    if encoding.form == "inverted":
        yield "The masks say that white is zero, so they are read inverted, as a picture viewer shows them"
    if encoding.form == "scaled":
        what, dtype = "colours" if encoding.kind == "colour" else "class ids", looks[0].pixels.dtype
        by = "multiplied by 255" if encoding.step < 1 else f"divided by {encoding.step:g}" if encoding.step > 1 else "as they are"
        yield f"The masks hold {dtype}: {by} they are {what}"
    if encoding.kind == "colour" and encoding.form in ("plain", "scaled") and bands == 4:
        yield "The masks have four bands: the first three are the colours, the fourth is left out"
    if gaps:
        share = gaps / sum(look.valid.size for look in looks)
        if encoding.heeds_gaps:
            yield f"Mask pixels without data, masked out or transparent ({share_words(share, 1)}) are not labelled"
        else:
            yield (
                f"Masks mark pixels as without data or transparent ({share_words(share, 1)}); since only one class lies beside them, "
                "they are read as the class that their value says"
            )


def _table(palette: tuple[tuple[int, ...], ...]) -> np.ndarray:
    return np.array([colour[:3] for colour in palette], np.uint8)


def sampled_shape(shape: tuple[int, int]) -> tuple[int, int] | None:
    """(height, width) at which a mask of this size is looked at, None for its own."""
    if max(shape) <= _SAMPLED_SIDE_PX:
        return None
    factor = _SAMPLED_SIDE_PX / max(shape)
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def _middle(look: _Look, encoding: Encoding) -> np.ndarray:
    """Codes of the middle of a large mask at its full size, to look at outlines."""
    height, width = (min(side, _OUTLINE_SIDE_PX) for side in look.mask.shape)
    middle = Window((look.mask.height - height) // 2, (look.mask.width - width) // 2, height, width)
    return as_codes(replace(look, pixels=look.mask.read(middle, categorical=True)).plain_pixels(encoding), encoding.kind)


def spread(items: Sequence, count: int = _SAMPLED_MASKS) -> list:
    """At most `count` items, evenly spaced, in an order whose every beginning is spread over the whole as well."""
    steps = min(count, len(items))
    chosen = [items[i * len(items) // steps] for i in range(steps)]
    bits = max(1, (steps - 1).bit_length())
    order = sorted(range(steps), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return [chosen[i] for i in order]
