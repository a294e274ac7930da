"""Files really saved by Keras 2 give under Keras 3 what they gave there."""

import numpy as np
import pytest

from core.errors import ModelError
from core.model_store.examining import examine, told_by_word
from core.model_store.importing import Answers, import_model
from core.model_store.legacy import describe
from core.model_store.loading import read_network
from core.model_store.models import find_model

FILES = {"resnet34": "resnet34.hdf5", "vgg16": "vgg16.h5", "efficientnetb0": "efficientnetb0.hdf5"}


@pytest.mark.parametrize("encoder", FILES)
def test_the_output_is_what_it_was_there(saved, encoder):
    folder, outputs = saved
    found = find_model(folder / FILES[encoder]).keras_model()(outputs["batch"], training=False)
    assert outputs[encoder].std() > 1e-3
    np.testing.assert_allclose(found, outputs[encoder], atol=5e-5)


@pytest.mark.parametrize("encoder", FILES)
def test_what_such_a_file_tells(saved, encoder):
    found = describe(saved[0] / FILES[encoder])
    assert (found.height, found.width, found.bands, found.outputs, found.activation) == (32, 32, 3, 4, "softmax")
    assert found.saved_by.startswith("2.") and not found.runs_code
    assert "iou_score" in found.compiled_with and any("dice" in name for name in found.compiled_with)


def test_the_likely_normalisations_follow_from_the_encoder(saved):
    by_encoder = {encoder: examine(saved[0] / name) for encoder, name in FILES.items()}
    assert by_encoder["resnet34"].asks == ("bands", "normalisation", "scheme")
    kinds = [option.normalisation["kind"] for option in by_encoder["resnet34"].normalisations]
    assert kinds == ["divide", "none", "patch", "image", "patch", "standard", "standard", "standard"]
    vgg = by_encoder["vgg16"].normalisations[2]
    # What segmentation_models' preprocess_input did: RGB to BGR, less the means of blue, green and red.
    assert vgg.bands == (3, 2, 1) and vgg.normalisation["mean"] == [103.939, 116.779, 123.68]
    efficient = by_encoder["efficientnetb0"].normalisations[2]
    assert efficient.bands is None and efficient.normalisation["mean"] == pytest.approx([123.675, 116.28, 103.53])
    # No rule is offered twice: ImageNet's other ways follow, the one with blue first among them.
    for examined in by_encoder.values():
        rules = [option.normalisation for option in examined.normalisations]
        assert all(rules.count(rule) == 1 for rule in rules) and sum(option.bands == (3, 2, 1) for option in examined.normalisations) == 1


def test_a_word_says_how_a_files_values_were_scaled(saved):
    examined = examine(saved[0] / FILES["vgg16"])
    assert told_by_word("patch", examined, None).normalisation == {"kind": "patch", "bands": "each"}
    caffe = told_by_word("caffe", examined, (4, 3, 2))  # red, green, blue of Sentinel-2 in the order of its bands
    assert caffe.bands == (2, 3, 4) and caffe.normalisation["mean"] == [103.939, 116.779, 123.68]
    assert told_by_word("divide=1,2,4", examined, None).normalisation == {"kind": "divide", "divisor": [1, 2, 4]}


def test_an_imported_file_needs_nothing_of_keras_2_any_more(saved, tmp_path):
    folder, outputs = saved
    model = import_model(folder / FILES["efficientnetb0"], tmp_path / "old", Answers())
    assert (tmp_path / "old" / "model.keras").is_file()
    np.testing.assert_allclose(model.keras_model()(outputs["batch"], training=False), outputs["efficientnetb0"], atol=5e-5)


def test_every_kind_of_layer_gives_what_it_gave_there(saved):
    """Labels equal in at least 99.9 % of pixels, and values too, for each kind of layer and each argument that Keras 2 wrote."""
    folder, outputs = saved
    names = [name for name in outputs if name.startswith("layer_")]
    assert len(names) > 60
    wrong = {}
    for name in names:
        file = next(folder.glob(f"{name}.*"))
        found = np.asarray(read_network(file, describe(file))(outputs["values"], training=False))
        same = np.mean(found.argmax(-1) == outputs[name].argmax(-1))
        if not (found.shape == outputs[name].shape and same >= 0.999 and np.allclose(found, outputs[name], atol=1e-4)):
            wrong[file.name] = (same, np.abs(found - outputs[name]).max())
    assert not wrong


def test_its_code_runs_only_when_trusted(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path))
    file = saved[0] / "lambda.h5"
    with pytest.raises(ModelError, match="Lambda"):
        find_model(file)
    with pytest.raises(ModelError, match="Lambda"):
        import_model(file, tmp_path / "no", Answers())
    assert not (tmp_path / "no").exists()
    model = import_model(file, tmp_path / "yes", Answers(), trusted=True)
    np.testing.assert_allclose(model.keras_model()(saved[1]["batch"] * 255, training=False), saved[1]["lambda"], atol=1e-6)
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path / "elsewhere"))  # the permission does not travel with the folder
    with pytest.raises(ModelError, match="Lambda"):
        find_model(tmp_path / "yes").keras_model()
