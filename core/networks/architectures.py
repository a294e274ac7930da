"""All networks by name; looking them up imports no Keras, only building does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.errors import SettingsError
from core.networks.encoders import LITE_ENCODERS, ZOO_ENCODERS

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ArchitectureInfo:
    """One kind of network: its name, a title for people, what it is good for, who builds it, and the encoders it can stand on.

    `builder`: "file.function" of this folder that builds it on its own encoder; None when it stands on one of `encoders` only.
    `on_lite` builds it on an EfficientNet-Lite, where it can stand on one.
    `filters`: default channel counts, finest level first, where they can be chosen; `fewest_filters`: how many it needs.
    `default_encoder` is taken when none is named and one is needed. `backbone` names the published weights that its own
    encoder can take. `pyramid`: it has an atrous pyramid, whose rates can be chosen.
    """

    name: str
    title: str
    about: str
    builder: str | None = None
    on_lite: str | None = None
    encoders: tuple[str, ...] = ()
    filters: tuple[int, ...] | None = None
    fewest_filters: int = 1
    default_encoder: str | None = None
    smallest_px: int = 16
    backbone: str | None = None
    pyramid: bool = False

    @property
    def own_encoder(self) -> bool:
        """Whether it can be built without naming an encoder."""
        return self.builder is not None


PYRAMID_RATES = (6, 12, 18)
"""Of the three dilated convolutions of an atrous pyramid, as published, in pixels of the map (Chen et al. 2017)."""
PYRAMID_STRIDE = 16
"""Pixels of the patch for one of the pyramid's map."""

ON_AN_ENCODER = "zoo.build_zoo"
"""Builds every network that stands on an encoder of segmentation_models."""

_ARCHITECTURES = (
    ArchitectureInfo(
        "unet",
        "U-Net",
        "The standard: 16 to 256 filters of its own, or any encoder.",
        "unet.build_unet",
        "lite.build_lite_unet",
        (*LITE_ENCODERS, *ZOO_ENCODERS),
        filters=(16, 32, 64, 128, 256),
    ),
    ArchitectureInfo("unet-small", "U-Net, small", "A third of the work of U-Net.", "unet.build_unet_small", filters=(8, 16, 32, 64, 128)),
    ArchitectureInfo(
        "fast",
        "Fast",
        "Made for a laptop's processor: a U-Net at a quarter of the size.",
        "fast.build_fast",
        filters=(16, 32, 48, 96, 160, 224),
        fewest_filters=4,
    ),
    ArchitectureInfo(
        "attention-unet",
        "Attention U-Net",
        "A U-Net that weighs its skips; for small, scattered targets.",
        "attention.build_attention_unet",
        filters=(16, 32, 64, 128, 256),
    ),
    ArchitectureInfo(
        "deeplabv3plus",
        "DeepLabV3+",
        "An atrous pyramid and a decoder, on ResNet50 (strong and heavy) or a light encoder.",
        "deeplab.build_deeplabv3plus",
        "lite.build_lite_deeplabv3plus",
        LITE_ENCODERS,
        smallest_px=32,
        backbone="resnet50-keras",
        pyramid=True,
    ),
    ArchitectureInfo(
        "deeplabv3",
        "DeepLabV3",
        "ResNet50 with an atrous pyramid: wide context, softer borders.",
        "deeplab.build_deeplabv3",
        smallest_px=32,
        backbone="resnet50-keras",
        pyramid=True,
    ),
    ArchitectureInfo(
        "fpn",
        "FPN",
        "Feature pyramid: light decoder, good on objects of many sizes.",
        on_lite="lite.build_lite_fpn",
        encoders=(*LITE_ENCODERS, *ZOO_ENCODERS),
        default_encoder="resnet34",
        smallest_px=32,
    ),
    ArchitectureInfo(
        "linknet",
        "LinkNet",
        "Adds skips instead of joining them: faster than U-Net.",
        encoders=ZOO_ENCODERS,
        default_encoder="resnet34",
        smallest_px=32,
    ),
    ArchitectureInfo(
        "pspnet",
        "PSPNet",
        "Pyramid pooling: much context, coarse borders, fast.",
        encoders=ZOO_ENCODERS,
        default_encoder="resnet34",
        smallest_px=48,
    ),
)
_BY_NAME = {info.name: info for info in _ARCHITECTURES}


def architectures() -> list[ArchitectureInfo]:
    """Every network that can be built, the usual choice first."""
    return list(_ARCHITECTURES)


def architecture(name: str) -> ArchitectureInfo:
    """The network called `name`. Raises SettingsError."""
    if name not in _BY_NAME:
        raise SettingsError(f"architecture {name!r}", expected="one of " + ", ".join(_BY_NAME), do="Choose another architecture")
    return _BY_NAME[name]


def resolve_encoder(name: str, encoder: str | None) -> str | None:
    """The encoder that will be used; None is the network's own. Raises SettingsError for one that does not go with it."""
    info = architecture(name)
    if encoder in (None, "", "none", "own"):
        return None if info.own_encoder else info.default_encoder
    if encoder not in info.encoders:
        expected = "one of " + ", ".join(info.encoders) if info.encoders else f"no encoder: {info.title} has its own"
        raise SettingsError(f"encoder {encoder!r} for {name}", expected=expected, do="Choose another encoder")
    return encoder


def build(
    architecture_name: str,
    *,
    height: int,
    width: int,
    bands: int,
    classes: int,
    encoder: str | None = None,
    filters: Sequence[int] | None = None,
    dropout: float = 0.1,
    rates: Sequence[int] | None = None,
    per_class: bool = False,
) -> keras.Model:
    """A network from normalised float32 (n, height, width, bands) to class probabilities float32 (n, height, width, classes).

    Any height and width from `smallest_px` on; a size that the network cannot halve often enough is filled up inside.
    `rates`: of an atrous pyramid, the published ones by default; see `fitted_rates`.
    `per_class`: a network of its own for each class, merged into one. Raises SettingsError for a combination that does not exist.
    """
    info, encoder = architecture(architecture_name), resolve_encoder(architecture_name, encoder)
    _check_sizes(info, height, width, bands, classes, filters)
    sizes = {"height": height, "width": width, "bands": bands, "classes": classes}
    chosen: dict[str, Any] = {"dropout": dropout}
    if info.filters is not None:
        chosen["filters"] = tuple(filters or info.filters)
    if info.pyramid:
        chosen["rates"] = tuple(rates or PYRAMID_RATES)
    if per_class:
        from core.networks.merged import merge

        return merge([_build(info, encoder, {**sizes, "classes": 2}, chosen) for _ in range(classes)])
    return _build(info, encoder, sizes, chosen)


def fitted_rates(name: str, *, height: int, width: int) -> tuple[int, ...] | None:
    """Rates of an atrous pyramid for patches of some size in pixels; None for a network without one.

    The published ones from 256 pixels on. On the map of a smaller patch two or all of them would reach past the rim and
    see their middle tap only; there the pyramid looks a quarter, half and three quarters of the map far.
    """
    if not architecture(name).pyramid:
        return None
    side = -(-min(height, width) // PYRAMID_STRIDE)
    return PYRAMID_RATES if side >= 16 else tuple(max(1, side * quarters // 4) for quarters in (1, 2, 3))


def _build(info: ArchitectureInfo, encoder: str | None, sizes: dict[str, int], chosen: dict[str, Any]) -> keras.Model:
    if encoder in LITE_ENCODERS:
        assert info.on_lite is not None, "resolve_encoder lets only those through that have one"
        return function_of(info.on_lite)(encoder=encoder, **{name: value for name, value in chosen.items() if name != "filters"}, **sizes)
    if encoder is not None:
        return function_of(ON_AN_ENCODER)(info.name, encoder=encoder, **sizes)
    assert info.builder is not None, "resolve_encoder names an encoder where there is no builder of its own"
    return function_of(info.builder)(**chosen, **sizes)


def function_of(builder: str) -> Callable[..., keras.Model]:
    """The function that a row of the table names, its file imported now and Keras with it."""
    file, _, name = builder.partition(".")
    return getattr(import_module(f"core.networks.{file}"), name)


def published_encoder(name: str, encoder: str | None) -> str | None:
    """Under which name `encoders` knows the published weights that a network can take; None when there are none."""
    return resolve_encoder(name, encoder) or architecture(name).backbone


def _check_sizes(info: ArchitectureInfo, height: int, width: int, bands: int, classes: int, filters: Sequence[int] | None) -> None:
    if min(height, width) < info.smallest_px:
        raise SettingsError(
            f"patches of {height} x {width} for {info.title}", expected=f"at least {info.smallest_px} pixels", do="Prepare larger patches"
        )
    if bands < 1:
        raise SettingsError(f"{bands} bands", expected="at least one", do="Choose a band")
    if classes < 2:
        raise SettingsError(f"{classes} class", expected="at least two classes", do="Add a class for everything else")
    if filters and info.filters is not None and len(filters) < info.fewest_filters:
        raise SettingsError(
            f"filters {list(filters)} for {info.title}", expected=f"at least {info.fewest_filters} numbers", do="Change filters"
        )
    if filters and info.filters is None:
        raise SettingsError(f"filters {list(filters)} for {info.title}", expected="none: its sizes are fixed", do="Leave filters empty")
