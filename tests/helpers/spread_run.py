"""A short training in a process of its own: python -m tests.helpers.spread_run FOLDER PARTS.

PARTS above 1 divides the processor into so many devices; the run is otherwise stopped after an epoch and resumed.
"""

import sys
from dataclasses import replace
from pathlib import Path

from core.networks.lean import UNUSED, keep_lean
from core.training.settings import TrainSettings
from core.training.training import train
from tests.helpers import learning_fakes as fakes

SETTINGS = TrainSettings(
    epochs=2, batch_size=4, filters=(4, 8), learning_rate=5e-3, patience=0, dropout=0.0, augment=False, loss="dice_focal"
)


def store():
    """Training patches that are all alike, so that every part of a batch holds the same."""
    made = fakes.store(train=8, validation=2, size=16)
    made.images[:8], made.masks[:8] = made.images[0], made.masks[0]
    return made


def main() -> None:
    keep_lean()
    import keras  # noqa: F401

    taken_in = set(UNUSED["keras"]) & set(sys.modules)
    assert not taken_in, f"Keras has taken in {taken_in}, which core/networks/lean.py keeps from it"
    folder, parts = Path(sys.argv[1]), int(sys.argv[2])
    if parts > 1:
        import tensorflow as tf

        device = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * parts)
    else:
        train(store(), folder, replace(SETTINGS, epochs=1))
    train(store(), folder, SETTINGS, resume=parts == 1)


if __name__ == "__main__":
    main()
