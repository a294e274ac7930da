"""How the pixels of mask files say their class, and masks of every spelling read as plain colours or plain whole numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.classes import IGNORED_ID, ClassScheme, pack, unpack
from core.scenes.display import three_bands
from core.scenes.scene import Scene, Source, Window

MIXED, FRACTION = -2_000_000_001, -2_000_000_002
"""Codes of pixels that fit no whole number: bands that contradict each other, and numbers that are not whole."""
_CODE_WORDS = {MIXED: "bands that contradict each other", FRACTION: "not a whole number"}
NO_DATA = "no data"
"""What pixels without data are called where the sample of the masks had none: they are not labelled, and that is told."""
_WHOLE = 1e-3
_HUGE = 1e9


@dataclass(frozen=True)
class Encoding:
    """How the masks of a data set are read.

    `kind` is "colour" (three bands of uint8, or a palette) or "ids" (whole numbers). `form` says what lies in the files: "plain";
    "indices" (a palette's numbers, not its colours); "band" (numbers in band `band`, the others equal to it or 0); "one-hot" (a
    band for each class); "scaled" (codes are the pixels divided by `step`: 16-bit colours, numbers from 0 to 1); "inverted" (codes
    are `step` minus the pixels: white is zero); "opaque" (1 where the mask is not transparent, whatever its colour). `alpha` "band":
    what files mark as transparency is one of the bands. `heeds_gaps`: pixels without data, masked out or transparent are not labelled;
    `saw_gaps`: some were seen in the sample, so that they are no surprise. `snap`: what is no class goes to the nearest colour or
    value that is declared.
    """

    kind: str = "colour"
    form: str = "plain"
    band: int = 1
    step: float = 1.0
    alpha: str = ""
    heeds_gaps: bool = False
    saw_gaps: bool = False
    snap: bool = False

    @property
    def expands_palettes(self) -> bool:
        """Whether a palette stands for its colours."""
        return self.kind == "colour"

    def codes(self, pixels: np.ndarray) -> np.ndarray:
        """Colours uint8 (h, w, 3) or whole numbers (h, w, 1) of the pixels (h, w, bands) of a mask file."""
        if self.form == "one-hot":
            return _one_hot(pixels)
        if self.form == "band":
            return _one_band(pixels, self.band)
        if self.form == "inverted":
            return np.asarray(self.step - pixels[..., :1].astype(np.int64), np.int32)
        if self.form == "scaled":
            scaled = np.nan_to_num(pixels.astype(np.float64)) / self.step
            return np.clip(np.rint(three_bands(scaled)), 0, 255).astype(np.uint8) if self.kind == "colour" else whole(scaled[..., :1])
        return pixels


COLOURS = Encoding("colour")
IDS = Encoding("ids")


@dataclass(frozen=True)
class PlainSource:
    """Reads a mask file of any form as plain colours or numbers."""

    inner: Source
    bands: int
    encoding: Encoding

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Codes (h, w, bands), nearest pixels where decimated; see Scene.read."""
        if self.encoding.form == "opaque":
            return np.repeat(self.inner.valid(window, out_shape)[..., None].astype(np.int32), len(bands), axis=2)
        pixels = self.inner.read(window, range(1, self.bands + 1), out_shape, True)
        return np.ascontiguousarray(self.encoding.codes(pixels)[..., [band - 1 for band in bands]])

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w); see Scene.valid."""
        return self.inner.valid(window, out_shape)

    def fingerprint(self) -> str:
        """Digest of the file and of how it is read."""
        return hashlib.sha256(f"{self.inner.fingerprint()}{self.encoding}".encode()).hexdigest()[:16]


def plain(mask: Scene, encoding: Encoding) -> Scene:
    """The mask as a scene of three bands uint8 (colours) or one band (numbers), whatever form its file has."""
    if encoding.form in ("plain", "indices") or (encoding.form == "band" and mask.bands == 1):
        return mask
    bands, dtype = (3, "uint8") if encoding.kind == "colour" else (1, "int32")
    return replace(mask, bands=bands, dtype=dtype, source=PlainSource(mask.source, mask.bands, encoding), band_names=None)


def as_codes(pixels: np.ndarray, kind: str) -> np.ndarray:
    """Colour codes (red in the highest byte) or values, int (h, w), of mask pixels (h, w, bands); FRACTION for what is not whole."""
    if kind == "ids":
        values = pixels[..., 0]
        return values if np.issubdtype(values.dtype, np.integer) else whole(values)
    return pack(three_bands(pixels))


def whole(values: np.ndarray) -> np.ndarray:
    """Whole numbers int64 of floats of any shape: 255 for NaN and beyond a billion, FRACTION for what is not whole."""
    numbers = values.astype(np.float64)
    numbers = np.where(np.abs(numbers) < _HUGE, numbers, IGNORED_ID)  # NaN, and the -3.4e38 of programs that have nothing to say
    nearest = np.rint(numbers)
    return np.where(np.abs(numbers - nearest) <= _WHOLE, nearest, FRACTION).astype(np.int64)


def encode_mask(
    pixels: np.ndarray, scheme: ClassScheme, encoding: Encoding, valid: np.ndarray | None = None
) -> tuple[np.ndarray, dict[str, int]]:
    """Class ids uint8 (h, w) of plain mask pixels (h, w, bands), and the pixels of each colour or value that is no class.

    The colours are "#RRGGBB", the values their digits. Where `valid` (h, w) is False nothing is labelled.
    """
    if encoding.kind == "ids":
        values = as_codes(pixels, "ids")
        if encoding.snap:
            values = _nearest_value(values, scheme)
        if valid is not None:
            values = np.where(valid, values, scheme.ignored_id)
        ids, found = scheme.encode_values(values)
        strangers = {_CODE_WORDS.get(value, str(value)): count for value, count in found.items()}
    else:
        colours = three_bands(pixels)
        if encoding.snap:
            colours = _nearest_colour(colours, scheme)
        ids, strangers = scheme.encode(colours)
        if strangers and valid is not None and not valid.all():
            strangers = scheme.encode(colours[valid][None])[1]
    if valid is not None and not valid.all():
        ids[~valid] = scheme.ignored_id
        if not encoding.saw_gaps:
            strangers[NO_DATA] = int(np.count_nonzero(~valid))
    return ids, strangers


def _one_hot(pixels: np.ndarray) -> np.ndarray:
    chosen = pixels > (0.5 if np.issubdtype(pixels.dtype, np.floating) else 0)
    count = chosen.sum(axis=2)
    codes = np.where(count == 1, chosen.argmax(axis=2), np.where(count == 0, IGNORED_ID, MIXED))
    return codes.astype(np.int32)[..., None]


def _one_band(pixels: np.ndarray, band: int) -> np.ndarray:
    values = pixels[..., band - 1]
    own = whole(values) if np.issubdtype(values.dtype, np.floating) else values.astype(np.int32)
    others = np.delete(pixels, band - 1, axis=2)
    agree = ((others == values[..., None]) | (others == 0)).all(axis=2)
    return np.where(agree, own, MIXED)[..., None]


def _nearest_value(values: np.ndarray, scheme: ClassScheme) -> np.ndarray:
    """The class value that is nearest to each pixel; what is not labelled, or no number, stays."""
    known = np.array(sorted(scheme.mask_values), np.int64)
    codes, back = np.unique(values, return_inverse=True)
    nearest = known[np.abs(codes[:, None].astype(np.int64) - known[None]).argmin(axis=1)]
    kept = (codes == MIXED) | (codes == FRACTION) | ((codes == scheme.ignored_id) & ~np.isin(scheme.ignored_id, known))
    return np.where(kept, codes, nearest)[back].reshape(values.shape)


def _nearest_colour(colours: np.ndarray, scheme: ClassScheme) -> np.ndarray:
    """The declared colour that is nearest to each pixel in RGB, those that mean "not labelled" among them."""
    known = np.array([*scheme.colours, *scheme.ignored_colours], np.int64)
    codes, back = np.unique(pack(colours), return_inverse=True)
    own = np.array([unpack(code) for code in codes.tolist()], np.int64)
    nearest = ((own[:, None] - known[None]) ** 2).sum(axis=2).argmin(axis=1)
    return known[nearest].astype(np.uint8)[back].reshape(*colours.shape[:2], 3)
