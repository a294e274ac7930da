"""The shape of what a described layer gives, worked out without Keras: None for each length that is not sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

Shape = tuple[int | None, ...]
"""Lengths without the batch's, None where the description does not tell them; the last one is the number of channels."""

_JOINING = ("Concatenate", "concat", "concatenate")
_ONE_FOR_ALL = ("GlobalAveragePooling2D", "GlobalMaxPooling2D")
_MOVING = ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D")
_MERGING = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
_KEEPING = {
    *("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "ThresholdedReLU", "Softmax", "Identity", "Dropout", "SpatialDropout2D"),
    *(
        "GaussianDropout",
        "GaussianNoise",
        "AlphaDropout",
        "FixedDropout",
        "ActivityRegularization",
        "Masking",
        "Rescaling",
        "Normalization",
    ),
    *("BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization", "LayerNormalization"),
    *("GroupNormalization", "UnitNormalization", "Dense", "Swish", "RandomFlip", "RandomRotation", "RandomContrast", "RandomBrightness"),
}
"""Layers that change no height and no width."""


def joins(kind: str, config: Mapping[str, Any]) -> bool:
    """Whether a layer puts its inputs one behind the other."""
    return kind in _JOINING or _function(config) in _JOINING


def shape_given(
    kind: str, config: Mapping[str, Any], before: Sequence[Shape], *, image_first: bool = False, layers_first: bool = False
) -> Shape:
    """The shape of what a layer gives for inputs of the shapes `before`; channels are told last, also of a network that has them first.

    `image_first`: its image has its channels first, `layers_first`: some of its layers count on that. Raises KeyError for a layer that does
    not tell what its kind has to.
    """
    first = before[0] if before else ()
    if kind == "Reshape":
        return _reshaped(first, config["target_shape"])
    if kind == "Permute":
        if image_first and tuple(config["dims"]) in ((2, 3, 1), (3, 1, 2)):
            return first  # only the order changes in which the file has them
        return tuple(first[axis - 1] for axis in config["dims"]) if len(first) == len(config["dims"]) else ()
    if kind == "Flatten":
        return (_product(first),)
    if kind in _ONE_FOR_ALL:
        return (1, 1, first[-1]) if config.get("keepdims") else ((first[-1],) if first else (None,))
    if joins(kind, config):
        return _joined(before, (1, -3) if image_first and layers_first else (-1, len(first)), config.get("axis", -1))
    channels = _channels(kind, config, before)
    if len(first) != 3:
        return (*first[:-1], channels)
    if config.get("data_format") == "channels_first" and not image_first:
        return None, None, channels  # where its image was turned round is not followed
    return (*_sides(kind, config, before), channels)


def _function(config: Mapping[str, Any]) -> str:
    return str(config.get("function", "")).rsplit(".", 1)[-1]


def _product(shape: Shape) -> int | None:
    return None if None in shape else prod(shape)  # type: ignore[arg-type]


def _reshaped(first: Shape, wanted: Sequence[int]) -> Shape:
    total = _product(first) if first else None
    known = prod(length for length in wanted if length != -1)
    rest = total // known if total and known else None
    return tuple(length if length != -1 else rest for length in wanted)


def _joined(before: Sequence[Shape], of_channels: Sequence[int], axis: int) -> Shape:
    rank = len(before[0]) if before else 0
    if axis not in of_channels or any(len(shape) != rank for shape in before):
        return (None,) * rank
    channels = [shape[-1] for shape in before]
    return (*_agreed([shape[:-1] for shape in before]), None if None in channels else sum(filter(None, channels)))


def _agreed(shapes: Sequence[Shape]) -> Shape:
    """The largest of each length, as broadcasting has it; None where one of them is not known."""
    return tuple(None if None in lengths else max(filter(None, lengths), default=None) for lengths in zip(*shapes, strict=False))


def _channels(kind: str, config: Mapping[str, Any], before: Sequence[Shape]) -> int | None:
    first = before[0] if before else ()
    count = config.get("filters") or config.get("units")
    if count:
        return int(count)
    merged = kind in _MERGING and first and all(len(shape) == len(first) for shape in before)
    last = (_agreed(before) if merged else first or (None,))[-1]
    if kind == "DepthwiseConv2D":
        return last and last * int(config.get("depth_multiplier", 1))
    if kind in ("GetItem", "Lambda", "SlicingOpLambda") or _function(config) in ("reshape", "transpose", "squeeze", "split"):
        return None
    return last


def _sides(kind: str, config: Mapping[str, Any], before: Sequence[Shape]) -> Shape:
    """Height and width behind a layer."""
    sides = before[0][:2]
    if kind in _KEEPING:
        return sides
    if kind in _MERGING:
        return _agreed([shape[:2] for shape in before]) if all(len(shape) == 3 for shape in before) else (None, None)
    if None in sides:
        return None, None
    if kind in _MOVING and (config.get("kernel_size") or config.get("pool_size")):
        return tuple(_moved(side, config, axis) for axis, side in enumerate(sides) if side)
    if kind == "Conv2DTranspose" and config.get("kernel_size") and config.get("output_padding") is None:
        return tuple(_raised(side, config, axis) for axis, side in enumerate(sides) if side)
    if kind == "UpSampling2D":
        return tuple(side * times for side, times in zip(sides, _pair(config["size"]), strict=True) if side)
    if kind in ("ZeroPadding2D", "Cropping2D"):
        rims = config.get("padding") if kind == "ZeroPadding2D" else config.get("cropping")
        sign = 1 if kind == "ZeroPadding2D" else -1
        return tuple(side + sign * sum(_pair(rim)) for side, rim in zip(sides, _pair(rims), strict=True) if side)
    if kind == "Resizing":
        return config.get("height"), config.get("width")
    return None, None


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[1]) if isinstance(value, (list, tuple)) else (value, value)


def _moved(side: int, config: Mapping[str, Any], axis: int) -> int:
    """The length behind a convolution or pooling."""
    window = _pair(config.get("kernel_size") or config.get("pool_size"))[axis]
    stride = _pair(config.get("strides") or (window if "pool_size" in config else 1))[axis]
    if config.get("padding", "valid") == "same":
        return -(-side // stride)
    reach = (window - 1) * _pair(config.get("dilation_rate") or 1)[axis] + 1
    return max(0, (side - reach) // stride + 1)


def _raised(side: int, config: Mapping[str, Any], axis: int) -> int:
    """The length behind a transposed convolution."""
    window, stride = _pair(config["kernel_size"])[axis], _pair(config.get("strides") or 1)[axis]
    return side * stride + (0 if config.get("padding", "valid") == "same" else max(window - stride, 0))
