"""Networks of other forms than one square image to one map: taken in so that they predict, or refused in one line."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import rasterio
from keras import layers
from PIL import Image

from core.classes import ClassScheme
from core.errors import ModelError, SettingsError
from core.model_store.examining import OfWeights, examine
from core.model_store.importing import Answers, import_model, scheme_of
from core.model_store.models import find_model


def labels_of(model, picture):
    return np.asarray(model.keras_model()(picture, training=False)).argmax(-1)


def same(found, expected):
    """Share of pixels with the same label."""
    return np.mean(found == expected)


@pytest.mark.parametrize("name", ["six", "channels_first", "nested_twice"])
def test_the_labels_are_the_old_ones(saved, tmp_path, name):
    folder, outputs = saved
    model = import_model(folder / f"{name}.h5", tmp_path / "m", Answers())
    assert outputs[name].std() > 0.01
    assert same(labels_of(model, outputs["picture"]), outputs[name].argmax(-1)) >= 0.999


def test_a_vgg_inside_a_sequential_model_gives_what_it_gave(saved, tmp_path):
    folder, outputs = saved
    found = import_model(folder / "nested.h5", tmp_path / "m", Answers()).keras_model()(outputs["wide"], training=False)
    np.testing.assert_allclose(found, outputs["nested"], atol=1e-5)


def test_a_binary_network_may_call_its_layers_as_we_call_ours(saved, tmp_path):
    folder, outputs = saved  # it has layers "concatenate", "subtract" and "network"
    model = import_model(folder / "binary.h5", tmp_path / "m", Answers())
    found = np.asarray(model.keras_model()(outputs["picture"], training=False))
    np.testing.assert_allclose(found, np.concatenate([1 - outputs["binary"], outputs["binary"]], -1), atol=1e-5)


@pytest.mark.parametrize("as_file", [False, True])
def test_unlabeled_is_a_class_like_any_other_in_a_model(saved, tmp_path, as_file):
    folder, outputs = saved
    names = ["Building", "Land", "Road", "Vegetation", "Water", "Unlabeled"]
    colours = ["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929", "#9B9B9B"]
    given = names
    if as_file:  # the classes.json of the Dubai set
        given = str(tmp_path / "classes.json")
        rows = [{"title": name, "color": colour} for name, colour in zip(names, colours, strict=True)]
        (tmp_path / "classes.json").write_text(json.dumps({"classes": rows}))
    import_model(folder / "six.h5", tmp_path / "m", Answers(scheme=scheme_of(given)))
    model = find_model(tmp_path / "m")
    assert list(model.card.scheme.names) == names
    assert same(labels_of(model, outputs["picture"]), outputs["six"].argmax(-1)) >= 0.999


def test_a_class_list_may_hold_unlabeled_though_the_network_does_not_give_it(saved, tmp_path):
    scheme = scheme_of(["a", "b", "c", "Unlabeled"])
    assert import_model(saved[0] / "flat.h5", tmp_path / "m", Answers(scheme=scheme)).card.scheme.names == ("a", "b", "c")


def test_a_flat_list_of_pixels_becomes_a_map(saved, tmp_path):
    folder, outputs = saved
    model = import_model(folder / "flat.h5", tmp_path / "m", Answers())
    assert same(labels_of(model, outputs["picture"]), outputs["flat"].reshape(1, 16, 16, 3).argmax(-1)) >= 0.999


def test_a_map_at_a_quarter_of_the_size_is_enlarged(saved, tmp_path):
    folder, outputs = saved
    model = import_model(folder / "coarse.h5", tmp_path / "m", Answers())
    expected = keras.layers.UpSampling2D(4, interpolation="bilinear")(outputs["coarse"])
    np.testing.assert_allclose(model.keras_model()(outputs["picture"], training=False), expected, atol=1e-5)


def test_the_last_of_several_outputs_is_the_answer_unless_another_is_named(saved, tmp_path):
    folder, outputs = saved
    examined = examine(folder / "several.h5")
    assert "output" in examined.asks and any("output_3 (16 x 16 x 1), output_4 (16 x 16 x 1)" in sentence for sentence in examined.tells)
    model = import_model(folder / "several.h5", tmp_path / "last", Answers())
    found = np.asarray(model.keras_model()(outputs["picture"], training=False))
    np.testing.assert_allclose(found[..., 1:], outputs["several"], atol=1e-5)
    assert any("output_4 is the answer" in sentence for sentence in model.card.assumed)
    first = import_model(folder / "several.h5", tmp_path / "first", Answers(output="output_1"))
    assert not any("the answer" in sentence for sentence in first.card.assumed)
    assert np.abs(np.asarray(first.keras_model()(outputs["picture"], training=False)) - found).max() > 0.01
    np.testing.assert_allclose(labels_of(find_model(folder / "several.h5"), outputs["picture"]), found.argmax(-1))
    with pytest.raises(SettingsError, match=r"one of output_1 \(16 x 16 x 1\), output_2"):
        import_model(folder / "several.h5", tmp_path / "none", Answers(output="output_9"))


@pytest.mark.parametrize("name", ["as_keras_segmentation", "listed", "permuted", "permuted_inside", "two", "function"])
def test_channels_first_give_the_same_map(saved, tmp_path, name):
    folder, outputs = saved
    model = import_model(folder / f"turned_{name}.h5", tmp_path / "m", Answers())
    expected = outputs[f"turned_{name}"]
    if name == "as_keras_segmentation":
        expected = keras.layers.UpSampling2D(2, interpolation="bilinear")(expected.reshape(1, 8, 12, 5))
    np.testing.assert_allclose(
        model.keras_model()(outputs["turned_picture"], training=False), np.reshape(expected, (1, 16, 24, 5)), atol=1e-5
    )
    assert len(model.card.scheme) == 5 and model.card.patch_shape == (16, 24)


def test_the_number_of_classes_is_that_of_the_output(tmp_path):
    image = layers.Input((32, 32, 3))
    both = layers.Concatenate()([layers.Conv2D(1, 1)(image), layers.Conv2D(2, 1)(image)])
    keras.Model(image, layers.Softmax()(both)).save(tmp_path / "concat.h5")
    answers = Answers(scheme=scheme_of(["a", "b", "c"]))
    assert import_model(tmp_path / "concat.h5", tmp_path / "m", answers).keras_model().output_shape == (None, 32, 32, 3)
    keras.Model(image, keras.ops.split(both, [2], axis=-1)[0]).save(tmp_path / "split.keras")
    assert len(import_model(tmp_path / "split.keras", tmp_path / "split", Answers()).card.scheme) == 2


def test_a_network_that_gives_no_map_is_refused_in_one_line(saved, tmp_path):
    with pytest.raises(ModelError, match="one label of 3 for a whole image"):
        import_model(saved[0] / "one_label.h5", tmp_path / "m", Answers())
    one, two = layers.Input((16, 16, 3)), layers.Input((16, 16, 1))
    keras.Model([one, two], layers.Conv2D(2, 1)(layers.Concatenate()([one, two]))).save(tmp_path / "two.keras")
    with pytest.raises(ModelError, match="2 images at once"):
        import_model(tmp_path / "two.keras", tmp_path / "m", Answers())
    keras.Model(one, layers.Conv2D(2, 4)(one)).save(tmp_path / "valid.keras")
    with pytest.raises(ModelError, match="13 x 13 x 2 values for 16 x 16 pixels"):
        import_model(tmp_path / "valid.keras", tmp_path / "m", Answers())


@pytest.mark.parametrize("file", ["six_weights.h5", "six.weights.h5"])
def test_weights_alone_find_the_architecture_beside_them(saved, tmp_path, file):
    folder, outputs = saved
    examined = examine(folder / "bare" / file)
    assert examined.found.weights_alone and "Weights alone" in examined.tells[0] and len(examined.card.scheme) == 6
    model = import_model(folder / "bare" / file, tmp_path / "m", Answers())
    assert same(labels_of(model, outputs["picture"]), outputs["six"].argmax(-1)) >= 0.999


def test_weights_alone_of_keras_3_with_a_named_architecture(saved, tmp_path):
    image = layers.Input((16, 16, 3))
    network = keras.Model(image, layers.Conv2D(3, 3, padding="same", activation="softmax")(layers.BatchNormalization()(image)))
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "net.json").write_text(network.to_json())
    network.save_weights(tmp_path / "best.weights.h5")
    with pytest.raises(ModelError, match=r"conv2d 3x3x3x3 3.*--architecture-file"):
        import_model(tmp_path / "best.weights.h5", tmp_path / "m", Answers())
    told = OfWeights(architecture_file=tmp_path / "text" / "net.json")
    model = import_model(tmp_path / "best.weights.h5", tmp_path / "m", Answers(), of_weights=told)
    picture = saved[1]["picture"]
    np.testing.assert_allclose(model.keras_model()(picture, training=False), network(picture, training=False), atol=1e-6)


@pytest.mark.parametrize("file", ["vgg16_only.h5", "vgg16_only.weights.h5"])
def test_weights_of_a_network_that_we_have_tell_which_one(saved, tmp_path, file):
    folder, outputs = saved
    examined = examine(folder / file)
    assert (examined.fit.architecture, examined.fit.encoder, examined.fit.bands, examined.fit.classes) == ("unet", "vgg16", 3, 4)
    assert examined.tells[0] == "Weights alone, which fit unet on vgg16, 3 bands, 4 classes."
    model = import_model(folder / file, tmp_path / "m", Answers(patch_size=32))
    assert (model.card.architecture, model.card.encoder) == ("unet", "vgg16")
    np.testing.assert_allclose(model.keras_model()(outputs["batch"], training=False), outputs["vgg16"], atol=5e-5)
    with pytest.raises(ModelError, match="does not fit unet on vgg19"):
        import_model(folder / file, tmp_path / "other", Answers(), of_weights=OfWeights(architecture="unet", encoder="vgg19"))


@pytest.mark.parametrize(("name", "filters"), [("unet", (8, 12, 20)), ("attention-unet", (8, 12, 20)), ("fast", (4, 8, 12, 16))])
def test_filters_follow_from_the_shapes(saved, tmp_path, name, filters):
    from core.networks.architectures import build

    network = build(name, height=32, width=32, bands=5, classes=4, filters=filters)
    network.save_weights(tmp_path / "w.weights.h5")
    fit = examine(tmp_path / "w.weights.h5").fit
    assert (fit.architecture, fit.filters, fit.bands, fit.classes) == (name, filters, 5, 4)
    model = import_model(tmp_path / "w.weights.h5", tmp_path / "m", Answers(patch_size=32))
    batch = np.random.default_rng(0).random((1, 32, 32, 5), np.float32)
    np.testing.assert_allclose(model.keras_model()(batch, training=False), network(batch, training=False), atol=1e-6)


def test_a_sigmoid_of_one_channel_is_a_softmax_of_two(tmp_path):
    from core.networks.zoo import build_zoo, library

    assert build_zoo  # the package is ready
    network = library().Unet("vgg16", input_shape=(32, 32, 3), classes=1, activation="sigmoid", encoder_weights=None)
    network.save_weights(tmp_path / "w.weights.h5")
    model = import_model(tmp_path / "w.weights.h5", tmp_path / "m", Answers(patch_size=32))
    batch = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    expected = np.asarray(network(batch, training=False))
    np.testing.assert_allclose(np.asarray(model.keras_model()(batch, training=False))[..., 1:], expected, atol=1e-5)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_saved_model_folder_of_keras_2_becomes_a_model_folder(saved, tmp_path, zipped):
    folder, outputs = saved
    path = folder / "saved_model"
    if zipped:
        path = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder, "saved_model"))
    model = import_model(path, tmp_path / "m", Answers())
    assert same(labels_of(model, outputs["picture"]), outputs["six"].argmax(-1)) >= 0.999
    with pytest.raises(ModelError, match="Import it"):
        find_model(path)


def test_a_model_inside_a_saved_model_gets_its_own_weights(saved, tmp_path):
    folder, outputs = saved
    model = import_model(folder / "saved_nested", tmp_path / "m", Answers())
    np.testing.assert_allclose(model.keras_model()(outputs["wide"], training=False), outputs["nested"], atol=1e-5)


def test_what_lies_in_the_folder_is_untouched_by_a_refusal(saved, tmp_path):
    shutil.copy(saved[0] / "one_label.h5", tmp_path / "one.h5")
    with pytest.raises(ModelError):
        import_model(tmp_path / "one.h5", tmp_path / "m", Answers())
    assert [file.name for file in tmp_path.iterdir()] == ["one.h5"]
    assert ClassScheme(("Unlabeled",), ((1, 2, 3),)) == ClassScheme.from_dict(ClassScheme(("Unlabeled",), ((1, 2, 3),)).to_dict())


@pytest.mark.parametrize("name", ["six", "several"])
def test_an_imported_file_predicts_a_scene_from_the_command_line(saved, tmp_path, name):
    from core.__main__ import main

    folder, outputs = saved
    words = ["--classes", "Building,Land,Road,Vegetation,Water,Unlabeled"] if name == "six" else []
    Image.fromarray(np.round(outputs["picture"][0] * 255).astype(np.uint8)).save(tmp_path / "scene.png")
    assert main(["import-model", str(folder / f"{name}.h5"), str(tmp_path / "m"), "--divide-by", "255", *words]) == 0
    assert main(["predict", str(tmp_path / "m"), str(tmp_path / "scene.png"), str(tmp_path / "p"), "--overlap", "0"]) == 0
    with rasterio.open(tmp_path / "p" / "labels.tif") as raster:
        found = raster.read(1)
    old = outputs[name][0]
    assert same(found, old.argmax(-1) if name == "six" else old[..., 0] > 0.5) >= 0.999
