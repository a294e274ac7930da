"""SavedModels without Keras's description: their serving function predicts what it gives in TensorFlow, or is refused in one line."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from core.digests import content_digest
from core.errors import ModelError, SettingsError
from core.model_store.examining import examine
from core.model_store.importing import Answers, import_model
from core.model_store.models import find_model, list_models
from core.model_store.serving.signature import signature_of
from core.prediction.engines.engine import open_engine
from core.prediction.engines.exporting import export_model
from tests.helpers.served import predicts_and_is_evaluated

PICTURE = np.random.default_rng(3).random((2, 32, 32, 3), np.float32)


class Function(tf.Module):
    """A function of one image, or of what its signature says, saved as no program but TensorFlow saves it."""

    def __init__(self, function, *signature):
        super().__init__()
        self.weights = tf.Variable(np.random.default_rng(0).standard_normal((3, 3, 3, 4)).astype(np.float32))
        self.call = tf.function(lambda *given: {"given": function(self.weights, *given)}, input_signature=signature)

    def save(self, folder: Path) -> Path:
        tf.saved_model.save(self, str(folder), signatures=self.call)
        return folder


def image_of(*shape, kind=tf.float32):
    return tf.TensorSpec(shape, kind)


def edges(weights, values):
    return tf.nn.conv2d(tf.cast(values, tf.float32), weights, 1, "SAME")


def chain(image, classes, activation, *, stride=1):
    keras.utils.set_random_seed(classes)
    hidden = layers.Conv2D(6, 3, strides=stride, padding="same", activation="tanh")(layers.Rescaling(4.0, -2.0)(image))
    return layers.Conv2D(classes, 1, activation=activation, kernel_initializer="random_normal")(hidden)


def keras_network(kind):
    image = layers.Input((None, None, 3) if kind == "free" else (32, 32, 3))
    given = {
        "fixed": lambda: chain(image, 4, "softmax"),
        "free": lambda: layers.UpSampling2D()(layers.MaxPooling2D()(chain(image, 3, "softmax"))),
        "two outputs": lambda: [chain(image, 5, "softmax", stride=2), chain(image, 4, "softmax")],
    }
    return keras.Model(image, given[kind]())


def quarter(weights, values):
    return 9 * tf.nn.avg_pool2d(edges(weights, values - 0.5), 4, 4, "SAME")


FIXED, FREE = image_of(None, 32, 32, 3), image_of(None, None, None, 3)
FUNCTIONS = {
    "module": (edges, FREE),
    "binary": (lambda weights, values: tf.sigmoid(edges(weights, values)[..., :1]), FREE),
    "quarter": (quarter, FIXED),
    "list": (lambda weights, values: tf.reshape(edges(weights, values), (-1, 1024, 4)), FIXED),
    "classes first": (lambda weights, values: tf.transpose(tf.sigmoid(edges(weights, values)), (0, 3, 1, 2)), FIXED),
    "batch of one": (edges, image_of(1, 32, 32, 3)),
    "half": (lambda weights, values: tf.cast(edges(weights, values), tf.float16), FIXED),
    "whole numbers": (edges, image_of(None, 32, 32, 3, kind=tf.uint8)),
}


def as_labels(kind, values):
    """Labels of what TensorFlow's function gives, as an analyst would make them."""
    if kind == "binary":
        return (values[..., 0] > 0.5).astype(int)
    if kind == "quarter":
        values = tf.image.resize(tf.nn.softmax(values), (32, 32)).numpy()
    if kind == "list":
        values = values.reshape(-1, 32, 32, 4)
    return values.argmax(1 if kind == "classes first" else -1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", ["fixed", "free", "two outputs", *FUNCTIONS])
def test_the_labels_are_those_of_tensorflows_serving_function(tmp_path, kind):
    if kind in FUNCTIONS:
        function, *signature = FUNCTIONS[kind]
        Function(function, *signature).save(tmp_path / "served")
    else:
        keras_network(kind).export(tmp_path / "served", verbose=False)
    model = import_model(tmp_path / "served", tmp_path / "m", Answers(patch_size=32, normalisation={"kind": "none"}))
    picture = np.round(PICTURE * 255) if kind == "whole numbers" else PICTURE
    serve = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    given = [serve(tf.constant(one[None], tf.uint8 if kind == "whole numbers" else tf.float32)) for one in picture]
    last = sorted(given[0])[-1]
    expected = as_labels(kind, np.concatenate([one[last].numpy() for one in given]).astype(np.float32))
    found = open_engine(model)(picture)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-3)
    assert np.mean(found.argmax(-1) == expected) >= 0.999
    assert len(np.unique(expected)) > 1


def test_a_serving_function_of_any_size_takes_the_patch_that_is_asked_for(tmp_path):
    Function(*FUNCTIONS["module"]).save(tmp_path / "served")
    model = import_model(tmp_path / "served", tmp_path / "m", Answers(normalisation={"kind": "none"}))
    wide = np.concatenate(np.split(PICTURE, 2), axis=2)
    serve = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    expected = next(iter(serve(tf.constant(wide)).values())).numpy()
    np.testing.assert_allclose(open_engine(model, patch_size=(32, 64))(wide), tf.nn.softmax(expected), atol=1e-5)


@pytest.mark.parametrize(
    ("function", "signature", "told"),
    [
        (lambda weights, one, two: one + two, [FIXED] * 2, "takes 2 inputs: .*32 x 32 x 3.*32 x 32 x 3"),
        (lambda weights, text: tf.strings.length(text), [image_of(None, kind=tf.string)], "takes one input: .*strings"),
        (lambda weights, rows: rows, [image_of(None, 7)], r"takes one input: .*float32 \(\? x 7\)"),
        (lambda weights, values: values, [image_of(8, 32, 32, 3)], "8 x 32 x 32 x 3"),
        (
            lambda weights, values: edges(weights, values) + tf.strings.to_number(tf.io.read_file("/etc/hostname")),
            [FIXED],
            "ReadFile",
        ),
        (lambda weights, values: tf.argmax(edges(weights, values), -1), [FIXED], "numbers of classes"),
        (lambda weights, values: tf.reduce_mean(values, (1, 2)), [FIXED], "one label of 3 for a whole image"),
    ],
)
def test_what_is_no_map_of_one_image_is_refused_in_one_line(tmp_path, function, signature, told):
    folder = Function(function, *signature).save(tmp_path / "served")
    with pytest.raises(ModelError, match=told) as raised:
        import_model(folder, tmp_path / "m", Answers())
    assert "\n" not in str(raised.value) and not (tmp_path / "m").exists()


def test_a_saved_model_without_a_signature_or_cut_off_is_refused_in_one_line(tmp_path):
    module = tf.Module()
    module.number = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "none"))
    with pytest.raises(ModelError, match="without a serving function"):
        examine(tmp_path / "none")
    folder = Function(*FUNCTIONS["module"]).save(tmp_path / "served")
    whole = (folder / "saved_model.pb").read_bytes()
    for length in range(0, len(whole), 97):
        with pytest.raises(ModelError):
            signature_of(whole[:length], "served")


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A zipped module of TensorFlow, taken in."""
    folder = tmp_path_factory.mktemp("served")
    Function(*FUNCTIONS["module"]).save(folder / "served")
    sent = shutil.make_archive(str(folder / "sent"), "zip", folder, "served")
    return import_model(sent, folder / "models" / "module", Answers(patch_size=32, normalisation={"kind": "divide", "divisor": 255.0}))


def test_it_is_listed_predicts_a_scene_and_is_evaluated(taken, tmp_path):
    assert [model.card.name for model in list_models([taken.folder])].count("sent") == 1
    assert find_model(taken.folder).size_bytes == sum(file.stat().st_size for file in taken.folder.glob("network.*"))
    picture = np.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    weights = np.random.default_rng(0).standard_normal((3, 3, 3, 4)).astype(np.float32)
    labels = edges(weights, picture[None] / np.float32(255)).numpy().argmax(-1).astype(np.uint8)
    predicts_and_is_evaluated(taken, picture, labels, tmp_path)


def test_what_needs_keras_is_refused_in_one_line(taken, tmp_path):
    with pytest.raises(ModelError, match="which Keras cannot load.*import it from a .keras or .h5 file"):
        taken.keras_model()
    with pytest.raises(ModelError, match="serving function"):
        export_model(taken, tmp_path / "x.onnx")
    with pytest.raises(SettingsError, match="engine tensorflow"):
        open_engine(taken, engine="tensorflow")
    assert not list(tmp_path.glob("x*"))


def test_models_that_differ_by_their_weights_alone_have_other_networks(taken, tmp_path):
    other = Function(*FUNCTIONS["module"])
    other.weights.assign(other.weights + 1)
    again = import_model(other.save(tmp_path / "served"), tmp_path / "m", Answers(patch_size=32))
    assert content_digest(again.file) != content_digest(taken.file)


def test_layers_that_keras_cannot_build_are_taken_by_their_serving_function(saved, tmp_path):
    folder, outputs = saved
    model = import_model(folder / "saved_lambda", tmp_path / "m", Answers(normalisation={"kind": "none"}))
    assert model.served
    np.testing.assert_allclose(open_engine(model)(outputs["batch"] * 255), outputs["lambda"], atol=1e-5)
