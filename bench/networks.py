"""Whether each network can learn: eight patches of the sample, learned by heart.

    python bench/networks.py [--size 64] [--steps 300] [--minutes 20] [NAME ...]

A NAME is a network, or NETWORK/ENCODER. A network that does not pass 0.95 of the pixels right has a fault in it, not a
lack of data. Printed for each: parameters, steps taken, accuracy (as in prediction, dropout off), seconds of processor.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

NAMES = (
    "unet-small",
    "fast",
    "unet",
    "attention-unet",
    "deeplabv3",
    "deeplabv3plus",
    "unet/vgg16",
    "unet/resnet34",
    "unet/resnet50",
    "fpn/resnet34",
    "linknet/resnet34",
    "pspnet/resnet34",
)
ENOUGH = 0.95
_LOOK_EVERY = 20


def patches(size: int):
    """Eight patches of the sample's town: images float32 (8, size, size, 3) in 0..1, class ids uint8 (8, size, size)."""
    import numpy as np

    from core.classes import DUBAI
    from core.scenes.opening import open_scene
    from core.scenes.scene import Window

    images, masks = [], []
    town = ROOT / "sample_data" / "town"
    for path in sorted((town / "images").glob("*.tif"))[:8]:
        window = Window(0, 0, size, size)
        images.append(open_scene(path).read(window).astype(np.float32) / 255)
        masks.append(DUBAI.encode(open_scene(town / "masks" / path.name).read(window))[0])
    return np.stack(images), np.stack(masks)


def overfit(name: str, *, size: int, steps: int) -> tuple[int, int, float, float]:
    """Train until the patches are known or the steps are used up: parameters, steps, accuracy, seconds of processor."""
    import keras
    import numpy as np

    from core.networks import build
    from core.training.losses import SegmentationLoss

    images, masks = patches(size)
    architecture, _, encoder = name.partition("/")
    keras.utils.set_random_seed(0)
    network = build(architecture, height=size, width=size, bands=3, classes=6, encoder=encoder or None)
    network.compile(optimizer=keras.optimizers.Adam(1e-3, clipnorm=1.0), loss=SegmentationLoss("cross_entropy"))
    labelled = masks != 255
    started, taken, accuracy = time.process_time(), 0, 0.0
    while taken < steps and accuracy <= ENOUGH:
        for _ in range(_LOOK_EVERY):
            network.train_on_batch(images, masks)
        taken += _LOOK_EVERY
        found = network.predict_on_batch(images).argmax(-1)
        accuracy = float((np.asarray(found) == masks)[labelled].mean())
    return network.count_params(), taken, accuracy, time.process_time() - started


def main() -> int:
    """Print the table; 1 when a network that was tried did not learn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=20.0, help="no further network is begun after this long")
    chosen = parser.parse_args()
    began, failed = time.monotonic(), []
    print(f"{'network':20} {'parameters':>12} {'steps':>6} {'accuracy':>9} {'cpu s':>8}")
    for name in chosen.names:
        if time.monotonic() - began > 60 * chosen.minutes:
            print(f"{name:20} not tried: the time is over")
            continue
        parameters, steps, accuracy, seconds = overfit(name, size=chosen.size, steps=chosen.steps)
        print(f"{name:20} {parameters:12,} {steps:6} {accuracy:9.3f} {seconds:8.0f}", flush=True)
        if accuracy <= ENOUGH:
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
