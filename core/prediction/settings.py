"""How patches are laid, run and blended: what predictions, estimates and evaluations can be told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import SettingsError
from core.settings import Settings, setting
from core.words import MIB

ENGINES = ("auto", "openvino", "tensorflow", "fast")
_UNITS = {"": 1, "K": 1 << 10, "M": MIB, "G": 1 << 30}
_SMALLEST = 64 * MIB
MOST_SCALES = 5
THREE_SCALES = (0.75, 1.0, 1.25)
"""What is proposed where several scales are averaged."""
PatchSize = int | tuple[int, int]
"""Length of a square patch, or (height, width), in pixels."""


@dataclass(frozen=True)
class BlendSettings(Settings):
    """How the patches of a scene are laid, run and blended.

    `overlap` is the share of a patch that its neighbour sees too, `symmetries` 8 averages over turned and mirrored
    patches, `scales` over the scene resized by these factors besides the model's own, `memory` bounds the whole process:
    a number of bytes, or a text like "1GiB". Raises SettingsError.
    """

    overlap: float = setting(0.5, "of a patch with the next one", metavar="FRACTION")
    symmetries: int = setting(1, "8: the mean over all flips and turns, 8 times the work", choices=(1, 8))
    scales: tuple[float, ...] = setting(
        (1.0,), "the mean over the scene at several sizes, factors of the model's own, for example 0.75,1,1.25", metavar="X,X,..."
    )
    memory: str | int = setting("1GiB", "what the work may take beside the network", metavar="SIZE")
    engine: str = setting("auto", "who runs the network; fast: its int8 form", choices=ENGINES)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_overlap(self.overlap)
        check_scales(self.scales)
        parse_memory(self.memory)

    @property
    def memory_bytes(self) -> int:
        """The limit of memory in bytes."""
        return parse_memory(self.memory)


@dataclass(frozen=True)
class PredictSettings(BlendSettings):
    """Settings of a prediction.

    `patch_size` in pixels is the model's by default. `resample` resizes the scene to the pixel size that the model was
    trained on, where both are known.
    """

    patch_size: int | None = setting(None, "another one than the model's", metavar="PX")
    resample: bool = setting(False, "resize the scene to the pixel size that the model was trained on")


def sides(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of a patch in pixels, of its length or of both as JSON has them."""
    if isinstance(size, Sequence):
        height, width = size
        return int(height), int(width)
    return int(size), int(size)


def plain_size(height: int, width: int) -> PatchSize:
    """A patch's size as prediction files tell it: one length where the patch is square."""
    return height if height == width else (height, width)


def told_size(size: int | Sequence[int]) -> str:
    """A patch's size in words: "256", or "64 x 96" (height x width)."""
    height, width = sides(size)
    return str(height) if height == width else f"{height} x {width}"


def check_overlap(overlap: float) -> None:
    """Raise SettingsError for an overlap with which patches would hardly move on."""
    if not 0 <= overlap <= 0.9:
        raise SettingsError(f"an overlap of {overlap:g}", expected="a fraction from 0 to 0.9", do="Choose 0.5 when in doubt")


def check_scales(scales: Sequence[float]) -> None:
    """Raise SettingsError for scales that are none, too many, the same twice, or far from the model's own."""
    if not 1 <= len(scales) <= MOST_SCALES or len(set(scales)) < len(scales) or not all(0.25 <= scale <= 4 for scale in scales):
        raise SettingsError(
            f"scales {', '.join(f'{scale:g}' for scale in scales) or 'none'}",
            expected=f"1 to {MOST_SCALES} different factors from 0.25 to 4",
            do="Choose 1, or 0.75,1,1.25 when in doubt",
        )


def parse_memory(text: str | int) -> int:
    """Bytes from "1GiB", "800 MB" or a number of bytes; K, M and G count in 1024s. Raises SettingsError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?\s*", str(text), re.IGNORECASE)
    unit = match and _UNITS[match[2].upper()]
    if not unit or float(match[1]) * unit < _SMALLEST:
        raise SettingsError(
            f"a memory limit of {text!r}", expected='at least 64 MiB, written like "1GiB" or "800MB"', do="Choose 1GiB when in doubt"
        )
    return int(float(match[1]) * unit)
