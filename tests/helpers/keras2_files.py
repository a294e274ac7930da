"""Run by the tests with Keras 2 (`tf_keras`): U-Nets of segmentation_models, saved as people saved them then, and their outputs."""

import os
import sys

os.environ |= {"TF_USE_LEGACY_KERAS": "1", "SM_FRAMEWORK": "tf.keras", "TF_CPP_MIN_LOG_LEVEL": "3"}

import numpy as np
import segmentation_models as sm
import tensorflow as tf
import tf_keras

FILES = {"resnet34": "resnet34.hdf5", "vgg16": "vgg16.h5", "efficientnetb0": "efficientnetb0.hdf5"}


def main(folder: str) -> None:
    """Write the three files, one with a Lambda layer, and `outputs.npz` for the batch in it."""
    assert tf.keras.__name__.startswith("tf_keras")
    batch = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    outputs = {}
    for encoder, name in FILES.items():
        tf_keras.utils.set_random_seed(1)
        network = sm.Unet(encoder, input_shape=(32, 32, 3), classes=4, activation="softmax", encoder_weights=None)
        # Statistics as after training: untouched ones (0 and 1) would hide that they were not loaded.
        for layer in network.layers:
            if isinstance(layer, tf_keras.layers.BatchNormalization):
                mean, variance = layer.moving_mean, layer.moving_variance
                mean.assign(np.linspace(-0.1, 0.1, mean.shape[0]))
                variance.assign(np.linspace(0.5, 1.5, variance.shape[0]))
        loss = sm.losses.DiceLoss() + sm.losses.CategoricalFocalLoss()
        network.compile("adam", loss=loss, metrics=[sm.metrics.IOUScore(threshold=0.5)])
        outputs[encoder] = network.predict(batch, verbose=0)
        network.save(os.path.join(folder, name))
    inputs = tf_keras.Input((32, 32, 3))
    scaled = tf_keras.layers.Lambda(lambda values: values / 255.0)(inputs)
    tf_keras.Model(inputs, tf_keras.layers.Conv2D(3, 1, activation="softmax")(scaled)).save(os.path.join(folder, "lambda.h5"))
    np.savez(os.path.join(folder, "outputs.npz"), batch=batch, **outputs)


if __name__ == "__main__":
    main(sys.argv[1])
