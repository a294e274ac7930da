"""EfficientNet-Lite (Tan and Le 2019; the Lite release of 2020: no squeeze-and-excite, ReLU6) as an encoder, and decoders on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
from keras import layers

from core.networks import deeplab
from core.networks.architectures import PYRAMID_RATES, PYRAMID_STRIDE
from core.networks.blocks import MOMENTUM, assemble, conv_unit, head

STEM_CHANNELS = 32
EXPANSION = 6
SKIPS = (0, 1, 2, 4, 6)
"""Stages whose last block leaves features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size."""
UNET_WIDTHS = (96, 64, 48, 32)
"""Channels of the U-Net's decoder, coarsest level first."""
FPN_WIDTH = 96

_WIDER_DEEPER = {"efficientnet-lite0": (1.0, 1.0), "efficientnet-lite1": (1.0, 1.1), "efficientnet-lite2": (1.1, 1.2)}
_STAGES = ((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320))
"""Blocks, kernel, stride of the first block and channels of each stage of lite0."""
_DILATED = 5
"""First stage that keeps its size and looks twice as far where features stop at a sixteenth."""


@dataclass(frozen=True)
class Block:
    """One inverted residual: the beginning of its layers' names, its stage, kernel, stride, and channels taken and given."""

    name: str
    stage: int
    kernel: int
    stride: int
    taken: int
    given: int

    @property
    def widens(self) -> bool:
        """Whether a 1 x 1 convolution multiplies the channels first; all blocks but those of the first stage do."""
        return self.stage > 0


def blocks_of(encoder: str) -> list[Block]:
    """All blocks of an encoder in their order. The first and the last stage are as deep in every size, the stem as wide."""
    wider, deeper = _WIDER_DEEPER[encoder]
    blocks: list[Block] = []
    taken = STEM_CHANNELS
    for stage, (count, kernel, stride, channels) in enumerate(_STAGES):
        given = _rounded(channels * wider)
        for index in range(count if stage in (0, len(_STAGES) - 1) else math.ceil(count * deeper)):
            blocks.append(Block(f"encoder_block{len(blocks)}", stage, kernel, stride if index == 0 else 1, taken, given))
            taken = given
    return blocks


def features(x, encoder: str, *, stride: int = 32) -> list:
    """Features after each of the stages `SKIPS`, finest first. Input is (value - 127) / 128 for the published weights.

    `stride` 16: the last two stages keep their size and look twice as far (dilated convolutions) instead of halving it.
    Padding is TensorFlow's "same" and batch normalisation has an epsilon of 1e-3, as in the original.
    """
    x = layers.Conv2D(STEM_CHANNELS, 3, strides=2, padding="same", use_bias=False, name="encoder_stem_conv")(x)
    x = _relu6(_normalised(x, "encoder_stem"), "encoder_stem")
    found = []
    blocks = blocks_of(encoder)
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        x = _inverted_residual(x, block, dilated=stride == 16 and block.stage >= _DILATED)
        if (following is None or following.stage != block.stage) and block.stage in SKIPS:
            found.append(x)
    return found


def build_lite_unet(*, height: int, width: int, bands: int, classes: int, encoder: str, dropout: float) -> keras.Model:
    """Float32 (n, height, width, bands) -> probabilities (n, height, width, classes): a narrow U-Net whose skips are added.

    The last level works at half the size; probabilities are enlarged from there.
    """

    def body(x):
        *skips, x = features(x, encoder)
        if dropout:
            x = layers.SpatialDropout2D(dropout, name="deep_drop")(x)
        for level, (skip, filters) in enumerate(zip(reversed(skips), UNET_WIDTHS, strict=True)):
            x = _risen(_narrowed(x, filters, f"up{level}_deep"), f"up{level}")
            x = layers.Add(name=f"up{level}_join")([x, _narrowed(skip, filters, f"up{level}_skip")])
            x = conv_unit(layers.ReLU(name=f"up{level}_relu")(x), filters, name=f"up{level}_out")
        return head(x, classes, rise=2)

    return assemble(body, height=height, width=width, bands=bands, multiple=32, name="unet_lite")


def build_lite_fpn(*, height: int, width: int, bands: int, classes: int, encoder: str, dropout: float) -> keras.Model:
    """As `build_lite_unet`, with the feature pyramid of Kirillov et al. (2019): all levels are brought to a quarter and summed."""

    def body(x):
        _, *levels = features(x, encoder)
        merged = None
        summands = []
        for number, level in reversed(list(enumerate(levels))):
            x = _narrowed(level, FPN_WIDTH, f"level{number}")
            merged = x if merged is None else layers.Add(name=f"level{number}_join")([x, _risen(merged, f"level{number}")])
            part = conv_unit(merged, FPN_WIDTH, name=f"level{number}_out")
            summands.append(_risen(part, f"level{number}_out", 2**number) if number else part)
        x = layers.Add(name="sum")(summands)
        if dropout:
            x = layers.SpatialDropout2D(dropout, name="deep_drop")(x)
        return head(conv_unit(x, FPN_WIDTH, name="last"), classes, rise=4)

    return assemble(body, height=height, width=width, bands=bands, multiple=32, name="fpn_lite")


def build_lite_deeplabv3plus(
    *, height: int, width: int, bands: int, classes: int, encoder: str, dropout: float, rates: Sequence[int] = PYRAMID_RATES
) -> keras.Model:
    """As `deeplab.build_deeplabv3plus`, on an EfficientNet-Lite whose last two stages are dilated."""

    def body(x):
        _, quarter, _, _, deep = features(x, encoder, stride=PYRAMID_STRIDE)
        return deeplab.decode(quarter, deep, classes, rates, dropout)

    return assemble(body, height=height, width=width, bands=bands, multiple=PYRAMID_STRIDE, name="deeplabv3plus_lite")


def _inverted_residual(x, block: Block, *, dilated: bool):
    name, y = block.name, x
    if block.widens:
        y = layers.Conv2D(EXPANSION * block.taken, 1, use_bias=False, name=f"{name}_expand_conv")(y)
        y = _relu6(_normalised(y, f"{name}_expand"), f"{name}_expand")
    y = layers.DepthwiseConv2D(
        block.kernel,
        strides=1 if dilated else block.stride,
        padding="same",
        dilation_rate=2 if dilated and block.stride == 1 else 1,
        use_bias=False,
        name=f"{name}_depthwise_conv",
    )(y)
    y = _relu6(_normalised(y, f"{name}_depthwise"), f"{name}_depthwise")
    y = layers.Conv2D(block.given, 1, use_bias=False, name=f"{name}_project_conv")(y)
    y = _normalised(y, f"{name}_project")
    if block.stride == 1 and block.taken == block.given:
        return layers.Add(name=f"{name}_add")([x, y])
    return y


def _normalised(x, name: str):
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=1e-3, name=f"{name}_bn")(x)


def _relu6(x, name: str):
    return layers.ReLU(max_value=6.0, name=f"{name}_relu")(x)


def _narrowed(x, filters: int, name: str):
    x = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv")(x)
    return layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)


def _risen(x, name: str, times: int = 2):
    return layers.UpSampling2D(times, interpolation="bilinear", name=f"{name}_rise")(x)


def _rounded(channels: float, step: int = 8) -> int:
    """Channels as a multiple of `step`, never less than nine tenths of what was asked."""
    near = max(step, int(channels + step / 2) // step * step)
    return near + step if near < 0.9 * channels else near
