"""What cutting a data set into patches can be told; no rasters in here, so that pages and the command line can import it."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import SettingsError
from core.settings import Settings, setting

SPLITS = ("group", "block", "random")
RIMS = ("fill", "crop")
SAME_GROUND = ("join", "apart")
VALIDATION_SHARE, TEST_SHARE = 0.2, 0.0


def read_classes(text: str) -> list[str]:
    """Names as they are typed; "none" for the empty list."""
    return [] if text.strip().lower() == "none" else [part.strip() for part in text.split(",") if part.strip()]


@dataclass(frozen=True)
class PrepareSettings(Settings):
    """Settings of a cut into patches; every field is checked when the object is made.

    Scenes are resized by `scale` first (area average or bilinear; masks by majority). Patches of `patch_size` pixels lie
    every `stride` pixels, None for side by side. Kept are patches of which at least `min_labelled` is labelled. `split`
    is what is kept together in one part: "group", "block", or "random" for nothing; groups in `hold_out` are the test
    part. `validation` (None: 0.2) and `test` (None: 0) are shares. `bands` are numbers from 1, or names; None takes all.
    `not_labelled` are classes, by name or by their value in the masks, that do not count for `min_labelled`; they are
    learned all the same. None finds them by `core.patches.labelled`. `counts` are numbers of patches for training, validation
    and test in place of shares; what is left over is in no part. `rim` is what becomes of what a grid leaves over: "fill" moves
    the last patch inwards and fills up scenes smaller than a patch, "crop" cuts it off. `same_ground`: groups with images of the same
    ground (`core.datasets.same_ground`) are kept in one part where parts are made of groups, "join", or not looked for, "apart".
    Raises SettingsError.
    """

    patch_size: int = setting(256, "height and width of a patch", metavar="PX")
    stride: int | None = setting(None, "distance from patch to patch (default: the patch size)", metavar="PX")
    min_labelled: float = setting(0.05, "patches with less labelled are dropped", metavar="FRACTION")
    split: str = setting("group", "what is kept together", choices=SPLITS)
    validation: float | None = setting(None, "share for validation", metavar="FRACTION")
    test: float | None = setting(None, "share for the test", metavar="FRACTION")
    hold_out: tuple[str, ...] = setting((), "a tile or scene for the test alone; repeatable", metavar="GROUP", repeated=True)
    seed: int = setting(0, "equal seeds give equal splits")
    scale: float = setting(1.0, "resize images by this factor first", metavar="FACTOR")
    bands: tuple[int | str, ...] | None = setting(None, "bands to take: numbers from 1, or their names", metavar="N,N,...")
    not_labelled: tuple[str | int, ...] | None = setting(
        None,
        "classes that do not count as labelled, by name or value in the masks; none: all count (default: a class called background or "
        "unlabelled, or 0 where nobody named the values)",
        metavar="NAME,NAME|none",
        read=read_classes,
    )
    counts: tuple[int, ...] | None = setting(
        None, "patches for training, validation and test in place of shares, for example 400,100,30", metavar="N,N,N"
    )
    rim: str = setting("fill", "whether the rim of a scene is filled up to whole patches, or cropped", choices=RIMS)
    same_ground: str = setting("join", "whether groups that show the same ground are found and kept in one part", choices=SAME_GROUND)

    title = "settings of patches"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_grid(self.patch_size, self.stride_px, self.min_labelled, self.scale)
        check_counts(self.counts)
        if self.counts is not None and (self.validation is not None or self.test is not None):
            raise SettingsError(
                f"counts {list(self.counts)} and shares besides", expected="one of the two", do="Leave the shares or the counts away"
            )
        check_shares(*self.shares)

    @property
    def stride_px(self) -> int:
        """The distance from patch to patch in pixels of the resized scene."""
        return self.patch_size if self.stride is None else self.stride

    @property
    def shares(self) -> tuple[float, float]:
        """The shares for validation and test."""
        return (
            VALIDATION_SHARE if self.validation is None else self.validation,
            TEST_SHARE if self.test is None else self.test,
        )


def check_grid(patch_size: int, stride: int, min_labelled: float, scale: float) -> None:
    """Raise SettingsError when a patch grid makes no sense."""
    if not 8 <= patch_size <= 8192:
        raise SettingsError(f"patch size {patch_size}", expected="8 to 8192 pixels", do="Choose another patch size")
    if not 1 <= stride <= patch_size:
        raise SettingsError(
            f"stride {stride} with patches of {patch_size}", expected="1 pixel to the patch size", do="Choose another stride"
        )
    if not 0 <= min_labelled <= 1:
        raise SettingsError(f"minimum labelled share {min_labelled}", expected="a share from 0 to 1", do="Choose another share")
    if not 0.01 <= scale <= 16:
        raise SettingsError(f"scale {scale}", expected="a factor from 0.01 to 16", do="Choose another scale")


def check_counts(counts: tuple[int, ...] | None) -> None:
    """Raise SettingsError for counts of patches that are no split; None is fine."""
    if counts is not None and not (2 <= len(counts) <= 3 and min(counts) >= 0 and counts[0] > 0):
        raise SettingsError(
            f"counts {list(counts)}",
            expected="patches for training, validation and, where wanted, test, such as 400,100,30",
            do="Change counts",
        )


def check_shares(validation: float, test: float) -> None:
    """Raise SettingsError when the shares for validation and test leave nothing to train on."""
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise SettingsError(
            f"shares of {validation} for validation and {test} for test",
            expected="shares that leave something to train on",
            do="Lower them",
        )
