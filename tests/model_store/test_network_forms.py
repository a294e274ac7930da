"""Networks as people bring them, through `import-model` and on to their probabilities: right by value, or refused with the shape found."""

import json
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import rasterio
from keras import layers, ops
from PIL import Image

from core.errors import ModelError, SettingsError
from core.model_store.cards import ModelCard
from core.model_store.examining import choose_output, examine
from core.model_store.importing import Answers, import_model, scheme_of
from core.model_store.models import find_model

HEIGHT, WIDTH = 16, 24
NOTHING = Answers()


def image(height=HEIGHT, width=WIDTH, bands=3):
    return keras.Input((height, width, bands))


def conv(classes, activation=None, **settings):
    return layers.Conv2D(classes, 3, padding="same", activation=activation, bias_initializer="random_normal", **settings)


def batch(height=HEIGHT, width=WIDTH, bands=3):
    return np.random.default_rng(3).random((1, height, width, bands), np.float32)


def imported(network, tmp_path, answers=NOTHING, suffix=".keras"):
    """The model folder that import makes of a network."""
    network.save(tmp_path / f"net{suffix}")
    return import_model(tmp_path / f"net{suffix}", tmp_path / "m", answers)


def found(model, values):
    return np.asarray(model.keras_model()(values, training=False))


def heads(given, *activations, classes=3):
    x = conv(4)(given)
    return [conv(classes, activation, name=f"output_{number}")(x) for number, activation in enumerate(activations, 1)]


# Several outputs


@pytest.fixture(scope="module")
def supervised(tmp_path_factory):
    """UNet++ with deep supervision: output_1 says 0 everywhere, output_4 says 1."""
    folder = tmp_path_factory.mktemp("supervised")
    given = keras.Input((64, 64, 3))
    x = conv(4)(given)
    outputs = [
        layers.Conv2D(1, 1, activation="sigmoid", name=f"output_{number}", bias_initializer=keras.initializers.Constant(bias))(x)
        for number, bias in ((1, -9), (2, -9), (3, -9), (4, 9))
    ]
    keras.Model(given, outputs).save(folder / "unetpp.h5")
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "scene.png")
    return folder


@pytest.mark.parametrize(("words", "label"), [([], 1), (["--output", "output_2"], 0), (["--output", "1"], 0), (["--output", "4"], 1)])
def test_deep_supervision_predicts_by_its_last_output_or_the_one_that_is_named(supervised, tmp_path, capsys, words, label):
    from core.__main__ import main

    assert main(["import-model", str(supervised / "unetpp.h5"), str(tmp_path / "m"), "--divide-by", "255", "--json", *words]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    chosen = {"": "output_4", "1": "output_1", "4": "output_4"}.get("".join(words[1:]), "output_2")
    sentence = f"Of 4 outputs {chosen} (64 x 64 x 1) is the answer, {'as asked' if words else 'the last of outputs of one shape'}"
    for told in (answer["notes"], ModelCard.load(tmp_path / "m").notes):
        assert any(note.startswith(sentence) and "left out: output_" in note for note in told)
    assert any("is the answer" in assumed for assumed in answer["assumed"]) == (not words)
    command = ["predict", str(tmp_path / "m"), str(supervised / "scene.png"), str(tmp_path / "p"), "--engine", "tensorflow"]
    assert main(command) == 0
    with rasterio.open(tmp_path / "p" / "labels.tif") as raster:
        assert np.unique(raster.read(1)).tolist() == [label]


def test_a_file_with_several_outputs_predicts_without_import_too(supervised):
    values = batch(64, 64)
    assert np.asarray(find_model(supervised / "unetpp.h5").keras_model()(values)).argmax(-1).min() == 1


def test_the_map_at_full_resolution_is_the_answer(tmp_path):
    given = image(16, 16)
    x = conv(4)(given)
    main = conv(3, "softmax", name="main")(x)
    half = conv(3, "softmax", name="half")(layers.MaxPooling2D()(x))
    quarter = conv(3, "softmax", name="quarter")(layers.MaxPooling2D(4)(x))
    network = keras.Model(given, [main, half, quarter])
    model = imported(network, tmp_path)
    np.testing.assert_allclose(found(model, batch(16, 16)), network(batch(16, 16))[0], atol=1e-6)
    assert any("main (16 x 16 x 3) is the answer, the only one at the finest resolution" in note for note in model.card.notes)


def test_the_map_of_several_classes_is_the_answer_beside_edges_and_a_label(tmp_path):
    given = image(16, 16)
    x = conv(4)(given)
    label = layers.Dense(7, activation="softmax", name="label")(layers.GlobalAveragePooling2D()(x))
    network = keras.Model(given, {"seg": conv(5, "softmax")(x), "edge": conv(1, "sigmoid")(x), "label": label})
    model = imported(network, tmp_path)
    np.testing.assert_allclose(found(model, batch(16, 16)), network(batch(16, 16))["seg"], atol=1e-6)
    assert any("edge (16 x 16 x 1)" in note and "label (7)" in note for note in model.card.notes)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_outputs_that_are_not_alike_are_asked_for(tmp_path, suffix):
    given = image(16, 16)
    x = conv(4)(given)
    network = keras.Model(given, [conv(3, "softmax", name="seg")(x), conv(3, "sigmoid", name="colours")(x)])
    with pytest.raises(ModelError, match=r"2 outputs: seg \(16 x 16 x 3\), colours \(16 x 16 x 3\).*--output"):
        imported(network, tmp_path, suffix=suffix)
    assert not (tmp_path / "m").exists()
    if suffix == ".h5":
        with pytest.raises(ModelError, match="2 outputs"):
            find_model(tmp_path / "net.h5")
    model = imported(network, tmp_path, Answers(output="seg"), suffix)
    np.testing.assert_allclose(found(model, batch(16, 16)), network(batch(16, 16))[0], atol=1e-6)


def test_outputs_of_one_model_inside_are_told_apart(tmp_path):
    inner_image = image(16, 16)
    inner = keras.Model(inner_image, heads(inner_image, "softmax", "softmax"), name="body")
    given = image(16, 16)
    network = keras.Model(given, inner(given))
    network.save(tmp_path / "net.keras")
    assert [head.name for head in examine(tmp_path / "net.keras").found.heads] == ["body.1", "body.2"]
    model = import_model(tmp_path / "net.keras", tmp_path / "m", Answers(output="body.1"))
    np.testing.assert_allclose(found(model, batch(16, 16)), network(batch(16, 16))[0], atol=1e-6)


def test_the_wizard_is_told_the_shapes(supervised):
    examined = examine(supervised / "unetpp.h5")
    assert examined.found.sure and examined.found.chosen == 3 and "output" in examined.asks
    assert any("output_4 is the answer, the last of outputs of one shape" in sentence for sentence in examined.tells)
    assert choose_output(examined, "output_1").found.why == "as asked"


# How many classes, and what the values are


def test_the_number_of_classes_is_the_outputs(tmp_path):
    given = image(16, 16)
    x = conv(4)(given)
    network = keras.Model(given, layers.Softmax()(layers.Concatenate()([conv(1)(x), conv(2)(x)])))
    model = imported(network, tmp_path, Answers(scheme=scheme_of(["a", "b", "c"])), ".h5")
    assert model.card.scheme.names == ("a", "b", "c")
    np.testing.assert_allclose(found(model, batch(16, 16)), network(batch(16, 16)), atol=1e-6)
    np.testing.assert_allclose(find_model(tmp_path / "net.h5").keras_model()(batch(16, 16)), network(batch(16, 16)), atol=1e-6)
    with pytest.raises(SettingsError, match="2 class names. Expected 3, as many as the file gives"):
        import_model(tmp_path / "net.h5", tmp_path / "two", Answers(scheme=scheme_of(["a", "b"])))


def test_a_gate_before_the_classes_does_not_count_as_a_class(tmp_path):
    given = image(16, 16)
    x = conv(4)(given)
    network = keras.Model(given, layers.Softmax()(layers.Multiply()([conv(1, "sigmoid")(x), conv(3)(x)])))
    network.save(tmp_path / "net.keras")
    assert examine(tmp_path / "net.keras").found.outputs == 3
    assert len(import_model(tmp_path / "net.keras", tmp_path / "m", Answers()).card.scheme) == 3


@pytest.mark.parametrize("joined", [("sigmoid", "sigmoid"), ("softmax", "softmax"), ("softmax", "sigmoid")])
def test_heads_side_by_side_are_shares_of_their_sum(tmp_path, joined):
    given = image(16, 16)
    x = conv(4)(given)
    network = keras.Model(given, layers.Concatenate()([conv(2, joined[0])(x), conv(3, joined[1])(x)]))
    model = imported(network, tmp_path)
    raw = np.asarray(network(batch(16, 16)))
    assert len(model.card.scheme) == 5
    np.testing.assert_allclose(found(model, batch(16, 16)), raw / raw.sum(-1, keepdims=True), atol=1e-5)
    assert any("divided by their sum" in note for note in model.card.notes)


def softmax_by_hand(x):
    x = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
    return x / ops.sum(x, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("classes", "last", "expected"),
    [
        (3, lambda x: ops.softmax(x, axis=-1), lambda raw: raw),
        (3, softmax_by_hand, lambda raw: raw),
        (1, ops.sigmoid, lambda raw: np.concatenate([1 - raw, raw], -1)),
        (1, lambda x: 1 / (1 + ops.exp(-x)), lambda raw: np.concatenate([1 - raw, raw], -1)),
        (1, layers.Activation("hard_sigmoid"), lambda raw: np.concatenate([1 - raw, raw], -1)),
        (3, lambda x: layers.Average()([layers.Softmax()(x), layers.Softmax()(2 * x)]), lambda raw: raw),
    ],
)
def test_what_the_values_are_is_seen_in_the_values(tmp_path, classes, last, expected):
    given = image(16, 16)
    network = keras.Model(given, last(conv(classes)(given)))
    model = imported(network, tmp_path)
    np.testing.assert_allclose(found(model, batch(16, 16)), expected(np.asarray(network(batch(16, 16)))), atol=1e-5)


def test_a_file_alone_whose_values_are_not_as_described_is_not_guessed_at(tmp_path):
    given = image(16, 16)
    keras.Model(given, 1 / (1 + ops.exp(-conv(1)(given)))).save(tmp_path / "net.keras")
    with pytest.raises(ModelError, match="values of a sigmoid network, and its layers tell of logits.*Import it first"):
        find_model(tmp_path / "net.keras").keras_model()


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (lambda x: conv(1, "relu")(x), "never below 0"),
        (lambda x: conv(1, "softmax")(x), "softmax over one class"),
        (lambda x: ops.argmax(conv(3)(x), axis=-1), "numbers of classes"),
        (lambda x: layers.Add()([conv(1, "sigmoid")(x), conv(1, "sigmoid")(x)]), "from .* a share from 0 to 1"),
        (lambda x: layers.Concatenate()([conv(2, "softmax")(x), conv(1)(x)]), "others in plain values"),
        (lambda x: conv(3, "softmax")(x) / 0.0, "no numbers"),
    ],
)
def test_values_that_are_no_classes_are_refused(tmp_path, last, said):
    given = image(16, 16)
    with pytest.raises(ModelError, match=said):
        imported(keras.Model(given, last(given)), tmp_path)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "made",
    [
        lambda given: keras.Sequential([given, conv(3, "softmax")]),
        lambda given: keras.Model(given, {"seg": conv(3, "softmax")(given)}),
        lambda given: keras.Model(given, [conv(3, "softmax")(given)]),
        lambda given: keras.Model({"image": given}, conv(3, "softmax")(given)),
    ],
)
def test_one_output_may_lie_in_a_list_or_a_dictionary(tmp_path, made):
    network = made(image())
    model = imported(network, tmp_path)
    expected = network.predict_on_batch({"image": batch()} if isinstance(getattr(network, "input", None), dict) else batch())
    expected = expected["seg"] if isinstance(expected, dict) else expected[0] if isinstance(expected, list) else expected
    np.testing.assert_allclose(found(model, batch()), expected, atol=1e-6)


@pytest.mark.parametrize(("shape", "said"), [((64, 64, 64, 1), "takes 64 x 64 x 64 x 1 values"), ((256, 3), "takes 256 x 3 values")])
def test_what_takes_no_image_is_refused(tmp_path, shape, said):
    given = keras.Input(shape)
    with pytest.raises(ModelError, match=said):
        imported(keras.Model(given, layers.Dense(3, activation="softmax")(given)), tmp_path)


# Lists, parts of the size, channels first


@dataclass(frozen=True)
class Turned:
    """Layers behind a map of `times` smaller sides, and what NumPy makes of the network's output to have it as a map again."""

    after: tuple
    back: tuple
    times: int = 1
    note: str = ""


FORMS = {
    "a list": Turned((layers.Reshape((HEIGHT * WIDTH, 3)),), ((1, HEIGHT, WIDTH, 3),), note="read row by row"),
    "a list of unknown length": Turned((layers.Reshape((-1, 3)),), ((1, HEIGHT, WIDTH, 3),), note="read row by row"),
    "a list for each class": Turned(
        (layers.Reshape((-1, 3)), layers.Permute((2, 1))), ((0, 2, 1), (1, HEIGHT, WIDTH, 3)), note="for each class"
    ),
    "a list at half the size": Turned((layers.Reshape((HEIGHT * WIDTH // 4, 3)),), ((1, HEIGHT // 2, WIDTH // 2, 3),), 2, "2 x 2 pixels"),
    "classes first": Turned((layers.Permute((3, 1, 2)),), ((0, 2, 3, 1),), note="before rows and columns"),
    "classes first at a quarter": Turned((layers.Permute((3, 1, 2)),), ((0, 2, 3, 1),), 4, "4 x 4 pixels"),
    "a quarter": Turned((), (), 4, "4 x 4 pixels"),
    "an eighth": Turned((), (), 8, "8 x 8 pixels"),
}


def as_map(values, turned):
    for step in turned.back:
        values = values.transpose(step) if len(step) == values.ndim and sorted(step) == list(range(values.ndim)) else values.reshape(step)
    return values


@pytest.mark.parametrize("name", FORMS)
def test_an_output_of_another_form_is_the_same_map(tmp_path, name):
    turned = FORMS[name]
    given = image()
    x = layers.AveragePooling2D(turned.times)(given) if turned.times > 1 else given
    x = conv(3, "softmax")(x)
    for layer in turned.after:
        x = layer(x)
    network = keras.Model(given, x)
    model = imported(network, tmp_path)
    expected = as_map(np.asarray(network(batch())), turned)
    if turned.times > 1:
        expected = layers.UpSampling2D(turned.times, interpolation="bilinear")(expected)
    np.testing.assert_allclose(found(model, batch()), expected, atol=1e-6)
    assert len(model.card.scheme) == 3 and any(turned.note in note for note in model.card.notes)
    assert model.card.patch_shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("times", [1, 2])
def test_a_softmax_behind_the_list_is_found(tmp_path, times):
    given = image(16, 16)
    x = conv(3)(layers.MaxPooling2D(times)(given) if times > 1 else given)
    network = keras.Model(given, layers.Activation("softmax")(layers.Reshape((256 // times**2, 3))(x)))
    model = imported(network, tmp_path, suffix=".h5")
    expected = np.asarray(network(batch(16, 16))).reshape(1, 16 // times, 16 // times, 3)
    expected = layers.UpSampling2D(times, interpolation="bilinear")(expected) if times > 1 else expected
    np.testing.assert_allclose(found(model, batch(16, 16)), expected, atol=1e-6)


@pytest.mark.parametrize("back", [True, False])
def test_an_image_with_its_bands_first_is_fed_so(tmp_path, back):
    inside = keras.Input((HEIGHT, WIDTH, 3))
    last = keras.Model(inside, conv(4, "softmax")(conv(5)(inside)))
    given = keras.Input((3, HEIGHT, WIDTH))
    x = last(layers.Permute((2, 3, 1))(given))
    network = keras.Model(given, layers.Permute((3, 1, 2))(x) if back else x)
    network.save(tmp_path / "net.h5")
    assert "Takes 3 bands in patches of 16 x 24 pixels." in examine(tmp_path / "net.h5").tells
    model = import_model(tmp_path / "net.h5", tmp_path / "m", Answers())
    np.testing.assert_allclose(found(model, batch()), last(batch()), atol=1e-6)


@pytest.mark.parametrize("size", [16, None])
def test_a_part_of_the_size_of_a_network_of_any_size(tmp_path, size):
    given = image(None, None)
    network = keras.Model(given, conv(3, "softmax", strides=4)(given))
    network.save(tmp_path / "net.keras")
    answers = Answers(patch_size=size)
    model = import_model(tmp_path / "net.keras", tmp_path / "m", answers)
    side = size or 256
    expected = layers.UpSampling2D(4, interpolation="bilinear")(network(batch(side, side)))
    np.testing.assert_allclose(found(model, batch(side, side)), expected, atol=1e-6)
    with pytest.raises(ModelError, match=f"only takes {side} x {side} pixels, and patches of 64 x 64"):
        model.keras_model(height=64, width=64)


def test_one_free_side_makes_squares(tmp_path):
    given = image(16, None)
    network = keras.Model(given, conv(3, "softmax")(given))
    model = imported(network, tmp_path)
    assert model.card.patch_shape == (16, 16) and model.keras_model(height=16, width=16).input_shape == (None, 16, 16, 3)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (lambda x: layers.Flatten()(conv(3)(x)), r"1152 values in one row for 16 x 24 pixels"),
        (lambda x: layers.Reshape((HEIGHT * WIDTH * 3,))(conv(3)(x)), r"1152 values in one row for 16 x 24 pixels"),
        (lambda x: layers.Dense(7)(layers.GlobalAveragePooling2D()(x)), "one label of 7 for a whole image"),
        (lambda x: layers.Dense(7)(layers.Flatten()(x)), "one label of 7 for a whole image"),
        (lambda x: layers.Conv2D(7, (HEIGHT, WIDTH))(x), "1 x 1 x 7 values for 16 x 24 pixels"),
        (lambda x: layers.Conv2D(3, 3)(x), "14 x 22 x 3 values for 16 x 24 pixels"),
        (lambda x: conv(3)(layers.UpSampling2D(2)(x)), "32 x 48 x 3 values for 16 x 24 pixels"),
        (lambda x: conv(3, strides=(2, 4))(x), "8 x 6 x 3 values for 16 x 24 pixels"),
        (lambda x: layers.Permute((2, 1, 3))(conv(3)(x)), "24 x 16 x 3 values for 16 x 24 pixels"),
        (lambda x: conv(300)(x), "300 classes"),
    ],
)
def test_what_is_no_map_is_refused_when_it_is_imported(tmp_path, last, said):
    given = image()
    with pytest.raises(ModelError, match=said) as error:
        imported(keras.Model(given, last(given)), tmp_path)
    assert "\n" not in str(error.value) and sorted(path.name for path in tmp_path.iterdir()) == ["net.keras"]


def test_a_size_that_the_network_cannot_halve_is_refused(tmp_path):
    given = image(None, None)
    up = layers.UpSampling2D(4)(conv(4)(layers.MaxPooling2D(4)(given)))
    network = keras.Model(given, conv(3, "softmax")(layers.Concatenate()([given, up])))
    with pytest.raises(ModelError, match="does not take patches of 30 x 30 pixels"):
        imported(network, tmp_path, Answers(patch_size=30))
    assert imported(network, tmp_path, Answers(patch_size=32)).card.patch_size == 32


def test_bands_taken_for_rows_are_refused(tmp_path):
    given = keras.Input((3, 64, 64))
    with pytest.raises(ModelError, match="takes images of 3 x 64 pixels with 64 bands"):
        imported(keras.Model(given, conv(2, "softmax")(given)), tmp_path)


# Rectangles


def test_a_rectangular_network_keeps_its_patches(tmp_path):
    given = image()
    network = keras.Model(given, conv(3, "softmax")(given))
    model = imported(network, tmp_path, suffix=".h5")
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert (card["patch_size"], card["patch_width"]) == (HEIGHT, WIDTH)
    assert f"patches of {HEIGHT} x {WIDTH} pixels" in (tmp_path / "m" / "README.md").read_text()
    assert "patch_width" not in ModelCard("square", "file", model.card.scheme, (1, 2, 3)).to_dict()
    np.testing.assert_allclose(found(model, batch()), network(batch()), atol=1e-6)
    with pytest.raises(SettingsError, match="16 x 24, which is fixed"):
        import_model(tmp_path / "net.h5", tmp_path / "other", Answers(patch_size=24))
