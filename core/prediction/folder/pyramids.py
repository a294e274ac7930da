"""A prediction's bytes at full size and halved again and again, as plain files that GDAL reads through virtual rasters.

GDAL would make the same overviews itself, at twice the cost of everything else that is done to write a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from core.prediction.blend.kernels import halve, rank

BLOCK_PX = 256
_BLOCK_BYTES = 8 << 20
_RANKED = ("labels", "confidence", "margin", "mask")


@dataclass(frozen=True)
class Level:
    """One size of a prediction: files beside each other, one byte per pixel, row by row.

    `probabilities` holds each row class after class (h, K, w), the other files are (h, w).
    """

    number: int
    probabilities: Path
    height: int
    width: int
    classes: int

    def file(self, kind: str) -> Path:
        """The file of "probabilities", "labels", "confidence", "margin" or "mask"."""
        return self.probabilities if kind == "probabilities" else self.probabilities.with_name(f"{kind}{self.number}.bytes")


def make_levels(probabilities: Path, height: int, width: int, classes: int) -> list[Level]:
    """Derive labels, confidence and margin from bytes (h, K, w) on disk, and all of them at half size and less.

    The smallest level fits into one block. Memory is bounded by a few rows. Levels that a killed run has made of the same bytes are taken
    as they are, once all of them were there.
    """
    levels = [Level(0, probabilities, height, width, classes)]
    while max(levels[-1].height, levels[-1].width) > BLOCK_PX:
        last = levels[-1]
        path = probabilities.with_name(f"probabilities{last.number + 1}.bytes")
        levels.append(Level(last.number + 1, path, -(-last.height // 2), -(-last.width // 2), classes))
    made = _all_made(levels)
    if not made.exists():
        for level, smaller in zip(levels, [*levels[1:], None], strict=True):
            _derive(level, smaller)
        made.touch()
    return levels


def delete_derived(levels: Sequence[Level], kind: str) -> None:
    """Delete what `make_levels` made of one kind, as far as it is there: never the probabilities at full size."""
    for level in levels[1:] if kind == "probabilities" else levels:
        level.file(kind).unlink(missing_ok=True)


def delete_levels(levels: Sequence[Level]) -> None:
    """Delete all that `make_levels` made."""
    _all_made(levels).unlink(missing_ok=True)  # first: from here on they are not all there
    for kind in ("probabilities", *_RANKED):
        delete_derived(levels, kind)


def _all_made(levels: Sequence[Level]) -> Path:
    """An empty file that says that all levels are there."""
    return levels[0].probabilities.with_name("levels.made")


def _derive(level: Level, smaller: Level | None) -> None:
    row_bytes = level.classes * level.width
    rows = max(2, _BLOCK_BYTES // row_bytes // 2 * 2)
    with ExitStack() as stack:
        source = stack.enter_context(level.probabilities.open("rb"))
        ranked = [stack.enter_context(level.file(kind).open("wb")) for kind in _RANKED]
        halved = stack.enter_context(smaller.probabilities.open("wb")) if smaller else None
        for row in range(0, level.height, rows):
            count = min(rows, level.height - row)
            block = np.frombuffer(source.read(count * row_bytes), np.uint8).reshape(count, level.classes, level.width)
            parts = np.empty((len(_RANKED), count, level.width), np.uint8)
            rank(block, *parts)
            for file, part in zip(ranked, parts, strict=True):
                file.write(part.data)
            if halved:
                half = np.empty((-(-count // 2), level.classes, smaller.width), np.uint8)
                halve(block, half)
                halved.write(half.data)


def describe_levels(levels: Sequence[Level], kind: str, bands: Sequence[str], *, masked: bool) -> list[Path]:
    """Write a virtual raster beside the files of each level, and give their paths, the full size first.

    The first one names the others as its overviews. `masked` adds the mask that tells where the scene holds something.
    """
    paths = [level.file(kind).with_name(f"{kind}{level.number}.vrt") for level in levels]
    for level, path in reversed(list(zip(levels, paths, strict=True))):
        smaller = [other.name for other in paths[1:]] if level.number == 0 else []
        xml = ""
        for number, name in enumerate(bands, 1):
            opening = (
                f'<VRTRasterBand dataType="Byte" band="{number}" subClass="VRTRawRasterBand"><Description>{escape(name)}</Description>'
            )
            xml += opening + _raw_band(level.file(kind).name, (number - 1) * level.width, len(bands) * level.width, smaller, str(number))
        if masked:
            opening = '<MaskBand><VRTRasterBand dataType="Byte" subClass="VRTRawRasterBand">'
            xml += opening + _raw_band(level.file("mask").name, 0, level.width, smaller, "mask,1") + "</MaskBand>"
        path.write_text(f'<VRTDataset rasterXSize="{level.width}" rasterYSize="{level.height}">{xml}</VRTDataset>', encoding="utf-8")
    return paths


def _raw_band(file: str, offset: int, row_bytes: int, smaller: Sequence[str], band: str) -> str:
    overviews = "".join(
        f'<Overview><SourceFilename relativeToVRT="1">{escape(name)}</SourceFilename><SourceBand>{band}</SourceBand></Overview>'
        for name in smaller
    )
    return (
        f'{overviews}<SourceFilename relativeToVRT="1">{escape(file)}</SourceFilename><ImageOffset>{offset}</ImageOffset>'
        f"<PixelOffset>1</PixelOffset><LineOffset>{row_bytes}</LineOffset></VRTRasterBand>"
    )
