"""Run by the tests with Keras 2 (`tf_keras`): networks as people saved them then, and their outputs; one process writes all of them."""

import os
import sys
from pathlib import Path

os.environ |= {"TF_USE_LEGACY_KERAS": "1", "SM_FRAMEWORK": "tf.keras", "TF_CPP_MIN_LOG_LEVEL": "3"}

import numpy as np
import segmentation_models as sm
import tensorflow as tf
import tf_keras
from tf_keras import backend as K
from tf_keras import layers as kl
from tf_keras.src.layers.normalization.batch_normalization_v1 import BatchNormalization as FirstBatchNormalization

FILES = {"resnet34": "resnet34.hdf5", "vgg16": "vgg16.h5", "efficientnetb0": "efficientnetb0.hdf5"}
UNIFORM = tf_keras.initializers.RandomUniform(0.1, 0.5)
SPREAD = {"mean": [0.1, 0.2, 0.3, 0.4], "variance": [1.0, 2.0, 3.0, 4.0]}


def down() -> kl.Layer:
    return kl.MaxPooling2D()


def adapted() -> kl.Layer:
    layer = kl.Normalization()
    layer.adapt(np.random.default_rng(3).random((10, 16, 16, 4), np.float32))
    return layer


def attention(**settings):
    return lambda x: kl.Reshape((16, 16, 4))(kl.Attention(**settings)([kl.Reshape((256, 4))(x)] * 2))


def merged(kind: str, **settings):
    return lambda x: getattr(kl, kind)(**settings)([kl.Conv2D(4, 3, padding="same")(x), kl.Conv2D(4, 1)(x)])


def layer_kinds() -> dict[str, list]:
    """Lists of layers to put behind an input (16, 16, 4), by the name of their file; each is there for what it writes about itself."""
    made = {
        "conv": [kl.Conv2D(4, 3, padding="same", groups=2, kernel_regularizer="l2", kernel_constraint=tf_keras.constraints.max_norm(2.0))],
        "conv_dilated": [kl.Conv2D(4, 3, padding="same", dilation_rate=2, kernel_initializer="he_normal", activity_regularizer="l2")],
        "separable": [kl.SeparableConv2D(4, 3, padding="same", depth_multiplier=2, activation="relu")],
        "depthwise": [kl.DepthwiseConv2D(3, padding="same", depth_multiplier=2, dilation_rate=(2, 2))],
        "transpose_2": [down(), kl.Conv2DTranspose(4, 2, strides=(2, 2), padding="same")],
        "transpose_3": [down(), kl.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1)],
        "transpose_valid": [down(), kl.Conv2DTranspose(4, 4, strides=2), kl.Cropping2D(1)],
        "conv_1d": [
            kl.Reshape((256, 4)),
            *(kl.Conv1D(4, 3, padding="same"), kl.DepthwiseConv1D(3, padding="same"), kl.SeparableConv1D(4, 3, padding="same")),
            *(kl.Conv1DTranspose(4, 3, padding="same"), kl.Reshape((16, 16, 4))),
        ],
        "conv_3d": [
            kl.Reshape((16, 16, 4, 1)),
            *(kl.Conv3D(2, 3, padding="same"), kl.Conv3DTranspose(2, 3, padding="same"), kl.Reshape((16, 16, 8))),
        ],
        "conv_lstm": [kl.Reshape((1, 16, 16, 4)), kl.ConvLSTM2D(4, 3, padding="same")],
        "conv_lstm_both_ways": [kl.Reshape((1, 16, 16, 4)), kl.Bidirectional(kl.ConvLSTM2D(4, 3, padding="same"))],
        "lstm": [kl.Reshape((256, 4)), kl.LSTM(4, return_sequences=True), kl.GRU(4, return_sequences=True), kl.Reshape((16, 16, 4))],
        "pooling": [kl.MaxPooling2D(3, strides=1, padding="same"), kl.AveragePooling2D(3, strides=1, padding="same")],
        "pooling_all": [kl.GlobalAveragePooling2D(keepdims=True), kl.UpSampling2D((16, 16))],
        "batch_norm": [kl.BatchNormalization(momentum=0.9, epsilon=1e-5, center=False), kl.BatchNormalization(scale=False)],
        "batch_norm_sync": [kl.experimental.SyncBatchNormalization(), kl.BatchNormalization(synchronized=True)],
        "batch_norm_renorm": [FirstBatchNormalization(renorm=True)],
        "layer_norm": [kl.LayerNormalization(), kl.LayerNormalization(axis=[1, 2, 3])],
        "group_norm": [kl.GroupNormalization(2), kl.GroupNormalization(-1), kl.UnitNormalization()],
        "spectral_norm": [kl.SpectralNormalization(kl.Conv2D(4, 3, padding="same"))],
        "normalization": [kl.Normalization(**SPREAD), kl.Normalization(invert=True, **SPREAD), kl.Rescaling(0.5, offset=-0.5)],
        "normalization_adapted": [adapted()],
        "leaky": [kl.LeakyReLU(alpha=0.1), kl.LeakyReLU(), kl.ELU(0.7), kl.ReLU(6.0, negative_slope=0.1, threshold=0.05)],
        "prelu": [kl.PReLU(UNIFORM, shared_axes=[1, 2]), kl.PReLU(UNIFORM)],
        "thresholded": [kl.ThresholdedReLU(0.2)],
        "softmax_axes": [kl.Softmax(axis=[1, 2]), kl.Softmax()],
        "activation_layer": [
            kl.Conv2D(4, 1, activation=kl.LeakyReLU(alpha=0.1)),
            kl.Activation(tf.nn.relu6),
            kl.Activation(tf.nn.leaky_relu),
        ],
        "conv_hard_sigmoid": [kl.Conv2D(4, 3, padding="same", activation="hard_sigmoid")],
        "dropouts": [
            *(kl.Dropout(0.3, noise_shape=(None, 1, 1, 4), seed=3), kl.SpatialDropout2D(0.3), kl.GaussianDropout(0.3)),
            *(kl.AlphaDropout(0.3), kl.GaussianNoise(0.1), kl.ActivityRegularization(0.1), kl.Masking()),
        ],
        "augmenting": [
            *(kl.RandomFlip(), kl.RandomRotation(0.2), kl.RandomZoom(0.2), kl.RandomTranslation(0.1, 0.1), kl.RandomContrast(0.2)),
            *(kl.RandomBrightness(0.2), kl.RandomHeight(0.1), kl.RandomWidth(0.1), kl.RandomCrop(16, 16), kl.Reshape((16, 16, 4))),
        ],
        "rims": [kl.ZeroPadding2D(((1, 2), (3, 4))), kl.Cropping2D(((1, 2), (3, 4))), kl.Permute((2, 1, 3)), kl.CenterCrop(16, 16)],
        "reshaping": [kl.Flatten(), kl.RepeatVector(3), kl.Reshape((16, 16, -1))],
        "dense": [kl.Dense(5, activation="relu"), kl.TimeDistributed(kl.Conv1D(4, 3, padding="same"))],
        "resizing": [
            kl.Resizing(32, 32),
            kl.Resizing(16, 16, interpolation="nearest"),
            kl.Resizing(8, 8, interpolation="area"),
            kl.UpSampling2D(),
        ],
        "concatenate_axis": [merged("Concatenate", axis=3)],
        "dot": [lambda x: kl.Reshape((16, 16, 1))(kl.Flatten()(kl.Dot(axes=2)([kl.Reshape((16, 64))(x), kl.Reshape((16, 64))(x)])))],
        "attention": [attention(use_scale=True), attention(score_mode="dot")],
        "attention_heads": [lambda x: kl.MultiHeadAttention(2, 4, attention_axes=(1, 2))(x, x)],
        "functions": [
            lambda x: 1.0 - tf.nn.relu(x * 2.0 + 1.0),
            lambda x: tf.concat([x, tf.reduce_mean(x, [1, 2], keepdims=True) * x], -1),
        ],
        "functions_resize": [lambda x: tf.image.resize(x[:, ::2, ::2], (16, 16))],
        "preprocess_input": [kl.Conv2D(3, 1), lambda x: tf_keras.applications.resnet50.preprocess_input(x * 255)],
        "preprocess_input_scaled": [kl.Conv2D(3, 1), lambda x: tf_keras.applications.mobilenet_v2.preprocess_input(x * 255)],
    }
    for kind in ("nearest", "bilinear", "bicubic", "lanczos3", "area", "mitchellcubic", "gaussian"):
        made[f"upsampling_{kind}"] = [down(), kl.UpSampling2D((2, 2), interpolation=kind)]
    for name in ("elu", "selu", "softplus", "softsign", "tanh", "hard_sigmoid", "exponential", "swish", "gelu", "mish", "log_softmax"):
        made[f"activation_{name}"] = [kl.Activation(name)]
    for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
        made[f"merging_{kind}"] = [merged(kind)]
    return made


def shaken(network: tf_keras.Model) -> tf_keras.Model:
    """The network with weights as after training: untouched statistics (0 and 1) would hide that they were not loaded."""
    rng = np.random.default_rng(5)
    for layer in network.submodules:
        if isinstance(layer, tf_keras.layers.Layer) and not isinstance(layer, kl.Normalization) and not hasattr(layer, "layers"):
            for weight in [*layer._trainable_weights, *layer._non_trainable_weights]:
                if weight.dtype.is_floating and weight.shape.rank:
                    values = rng.normal(size=weight.shape)
                    weight.assign(np.abs(values) + 0.1 if "variance" in weight.name else values)
    return network


def chained(shape: tuple, steps: list, classes: int = 3, activation: str = "softmax", name: str = "out") -> tf_keras.Model:
    image = x = kl.Input(shape)
    for step in steps:
        x = step(x)
    return tf_keras.Model(image, kl.Conv2D(classes, 1, activation=activation, name=name)(x))


def write_layers(folder: Path, outputs: dict) -> None:
    """One small network for each kind of layers, as `.h5` and, every second one, as `.keras`."""
    batch = outputs["values"] = np.random.default_rng(0).normal(size=(2, 16, 16, 4)).astype(np.float32)
    for number, (name, steps) in enumerate(layer_kinds().items()):
        network = shaken(chained((16, 16, 4), steps))
        outputs[f"layer_{name}"] = network(batch, training=False)
        network.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        # Slices cannot be written as .keras by Keras 2.
        network.save(folder / f"layer_{name}{'.keras' if number % 2 and not name.startswith(('functions', 'preprocess')) else '.h5'}")


def small(*, classes: int = 3, activation: str = "softmax", first: bool = False, size: tuple = (16, 16)) -> tf_keras.Model:
    """A U-Net of two levels with a layer called `concatenate`."""
    side = {"data_format": "channels_first" if first else "channels_last"}
    axis = 1 if first else -1
    image = kl.Input((3, *size) if first else (*size, 3))
    fine = kl.ReLU()(kl.BatchNormalization(axis=axis)(kl.Conv2D(4, 3, padding="same", **side)(image)))
    coarse = kl.SeparableConv2D(6, 3, padding="same", activation="relu", **side)(kl.MaxPooling2D(**side)(fine))
    rise = kl.Conv2DTranspose(4, 2, strides=2, padding="same", **side)(coarse)
    both = kl.Concatenate(axis=axis, name="concatenate")([rise, kl.Subtract(name="subtract")([fine, rise])])
    x = kl.Conv2D(classes, 1, activation=None if first else activation, name="network", **side)(both)
    return tf_keras.Model(image, kl.Softmax(axis=1, name="probabilities")(x) if first else x)


def write_networks(folder: Path, outputs: dict) -> None:
    """Networks whose form is out of the ordinary, each a few KB, with what they give for `picture`."""
    picture = outputs["picture"] = (np.random.default_rng(1).integers(0, 256, (1, 16, 16, 3)) / 255).astype(np.float32)

    def keep(name: str, network: tf_keras.Model, given=None) -> None:
        outputs[name] = network(picture, training=False) if given is None else given
        network.save(folder / f"{name}.h5")

    keep("binary", shaken(small(classes=1, activation="sigmoid")))
    six = shaken(small(classes=6))
    keep("six", six)
    six.save(folder / "saved_model", save_format="tf")
    six.save_weights(folder / "bare" / "six_weights.h5")
    six.save_weights(folder / "bare" / "six.weights.h5")
    (folder / "bare" / "six.json").write_text(six.to_json())
    inner = tf_keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    cut = tf_keras.Model(inner.input, inner.get_layer("block2_conv2").output, name="vgg16")
    nested = tf_keras.Sequential([kl.Input((32, 32, 3)), cut, kl.UpSampling2D(2), kl.Conv2D(3, 1, activation="softmax")])
    outputs["wide"] = np.random.default_rng(2).random((1, 32, 32, 3)).astype(np.float32)
    for layer in cut.layers:
        layer.trainable = False
    keep("nested", nested, nested(outputs["wide"], training=False))
    nested.save(folder / "saved_nested", save_format="tf")
    body = small(classes=4)
    body.trainable = False  # frozen, as a network that is built on
    image = kl.Input((16, 16, 3))
    keep(
        "nested_twice",
        shaken(tf_keras.Model(image, kl.Conv2D(3, 1, activation="softmax")(kl.Add()([body(image), body(kl.ReLU()(image))])))),
    )
    last, first = shaken(small()), small(first=True)
    first.set_weights(last.get_weights())
    keep("channels_first", first, last(picture, training=False))
    image = kl.Input((16, 16, 3))
    x = kl.Conv2D(4, 3, padding="same")(image)
    keep("flat", shaken(tf_keras.Model(image, kl.Activation("softmax")(kl.Reshape((256, 3))(kl.Conv2D(3, 1)(x))))))
    keep("coarse", shaken(tf_keras.Model(image, kl.Conv2D(3, 3, strides=4, padding="same", activation="softmax")(x))))
    heads = [kl.Conv2D(1, 1, activation="sigmoid", name=f"output_{k}")(x) for k in (1, 2, 3, 4)]
    several = shaken(tf_keras.Model(image, heads))
    keep("several", several, several(picture, training=False)[-1])
    keep("one_label", shaken(tf_keras.Model(image, kl.Dense(3, activation="softmax")(kl.GlobalAveragePooling2D()(x)))))
    wide = shaken(small(size=(16, 24)))
    outputs["wide_picture"] = (np.random.default_rng(4).integers(0, 256, (1, 24, 24, 3)) / 255).astype(np.float32)
    keep("rectangular", wide, np.concatenate([wide(outputs["wide_picture"][:, at : at + 16], training=False) for at in (0, 8)]))


def in_either_order(made) -> tuple[tf_keras.Model, tf_keras.Model]:
    """What `made(first)` builds with channels last, which runs on any processor, and with channels first, with the same weights."""
    last, first = shaken(made(False)), made(True)
    first.set_weights(last.get_weights())
    return last, first


def write_turned(folder: Path, outputs: dict) -> None:
    """Networks with channels first, and what they give for `turned_picture` as a map: lists of pixels, Permutes, two outputs."""
    picture = outputs["turned_picture"] = np.random.default_rng(6).random((1, 16, 24, 3)).astype(np.float32)

    def order(first: bool) -> dict:
        return {"data_format": "channels_first" if first else "channels_last"}

    def image(first: bool):
        return kl.Input((3, 16, 24) if first else (16, 24, 3))

    def as_keras_segmentation(first: bool) -> tf_keras.Model:
        given = image(first)
        x = kl.Conv2D(5, 3, padding="same", **order(first))(kl.MaxPooling2D(2, **order(first))(given))
        x = kl.Permute((2, 1))(kl.Reshape((-1, 96))(x)) if first else kl.Reshape((96, -1))(x)
        return tf_keras.Model(given, kl.Activation("softmax")(x))

    def listed(first: bool) -> tf_keras.Model:
        given = image(first)
        x = kl.Conv2D(5, 3, padding="same", **order(first))(given)
        return tf_keras.Model(given, kl.Softmax(axis=1)(kl.Reshape((5, 384))(x)) if first else kl.Softmax()(kl.Reshape((384, 5))(x)))

    def permuted(first: bool) -> tf_keras.Model:
        given = image(first)
        x = kl.Conv2D(5, 3, padding="same", **order(first))(given)
        return tf_keras.Model(given, kl.Softmax()(kl.Permute((2, 3, 1))(x) if first else x))

    def permuted_inside(first: bool) -> tf_keras.Model:
        given = kl.Input((16, 24, 3))
        x = kl.Conv2D(5, 3, padding="same", **order(first))(kl.Permute((3, 1, 2))(given) if first else given)
        return tf_keras.Model(given, kl.Softmax()(kl.Permute((2, 3, 1))(x) if first else x))

    def two(first: bool) -> tf_keras.Model:
        given, axis = image(first), 1 if first else -1
        heads = [
            kl.Softmax(axis=axis, name=name)(kl.Conv2D(5, 3, strides=step, padding="same", **order(first))(given))
            for name, step in (("full", 1), ("half", 2))
        ]
        return tf_keras.Model(given, heads)

    for made in (as_keras_segmentation, listed, permuted, permuted_inside, two):
        last, first = in_either_order(made)
        value = last(picture, training=False)
        outputs[f"turned_{made.__name__}"] = np.asarray(value[0] if isinstance(value, list) else value)
        first.save(folder / f"turned_{made.__name__}.h5")
    given = kl.Input((16, 24, 3))
    functions = shaken(tf_keras.Model(given, tf.transpose(kl.Conv2D(5, 3, padding="same", activation="softmax")(given), (0, 3, 1, 2))))
    outputs["turned_function"] = np.moveaxis(np.asarray(functions(picture, training=False)), 1, -1)
    functions.save(folder / "turned_function.h5")


def main(folder: str) -> None:
    """Write the three files of segmentation_models, one with a Lambda layer, all others, and `outputs.npz` for the batches in it."""
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
        outputs[encoder] = network(batch, training=False)
        network.save(os.path.join(folder, name))
        if encoder == "vgg16":
            network.save_weights(os.path.join(folder, "vgg16_only.h5"))
            network.save_weights(os.path.join(folder, "vgg16_only.weights.h5"))
    inputs = tf_keras.Input((32, 32, 3))
    # As the tutorials' attention gates repeat a band.
    twice = kl.Lambda(lambda values, times: K.repeat_elements(values / 255.0, times, axis=3), arguments={"times": 2})(inputs)
    network = tf_keras.Model(inputs, kl.Conv2D(3, 1, activation="softmax")(twice))
    outputs["lambda"] = network(batch * 255, training=False)
    network.save(os.path.join(folder, "lambda.h5"))
    network.save(os.path.join(folder, "saved_lambda"), save_format="tf")
    (Path(folder) / "bare").mkdir()
    write_layers(Path(folder), outputs)
    write_networks(Path(folder), outputs)
    write_turned(Path(folder), outputs)
    np.savez(os.path.join(folder, "outputs.npz"), batch=batch, **outputs)


if __name__ == "__main__":
    main(sys.argv[1])
