"""ONNX files of other programs: they give what onnxruntime gives, keep what they say about themselves, or are refused in one line."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.errors import ModelError, SettingsError
from core.model_store.examining import examine
from core.model_store.importing import Answers, import_model, scheme_of
from core.model_store.models import Model, default_scheme, find_model, list_models
from core.model_store.serving.onnx_file import bands_first
from core.prediction.engines.engine import open_engine
from core.prediction.engines.exporting import export_model
from tests.helpers.served import predicts_and_is_evaluated

PICTURE = np.random.default_rng(3).random((2, 32, 32, 3), np.float32)
PLAIN = {"kind": "none"}
END = {"softmax": "Softmax", "sigmoid": "Sigmoid", "logits": "Identity"}


def weights(name, *shape):
    return numpy_helper.from_array(np.random.default_rng(len(name) + sum(shape)).standard_normal(shape).astype(np.float32), name)


def network(
    path,
    *,
    layout="NCHW",
    side=32,
    classes=4,
    end="softmax",
    stride=1,
    heads=1,
    kind=TensorProto.FLOAT,
    batch="batch",
    opset=17,
    metadata=None,
    bands=3,
):
    """Two convolutions as torch or tf2onnx exports them, written by the rules of ONNX alone."""
    sides = [side, side] if side else ["height", "width"]
    few = [side // stride] * 2 if side else ["rows", "columns"]
    last = layout == "NHWC"
    nodes, at = [], "image"
    if kind != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [at], ["cast"], to=TensorProto.FLOAT))
        at = "cast"
    if last:
        nodes.append(helper.make_node("Transpose", [at], ["first"], perm=[0, 3, 1, 2]))
        at = "first"
    nodes.append(helper.make_node("Conv", [at, "near"], ["hidden"], pads=[1] * 4, strides=[stride] * 2))
    nodes.append(helper.make_node("Tanh", ["hidden"], ["bent"]))
    held, outputs = [weights("near", 6, bands, 3, 3)], []
    for number in range(heads):
        out = f"out{number}"
        held.append(weights(f"far{number}", classes, 6, 1, 1))
        nodes.append(helper.make_node("Conv", ["bent", f"far{number}"], [f"map{number}"]))
        options = {"axis": 1} if end == "softmax" else {}
        nodes.append(helper.make_node(END[end], [f"map{number}"], [f"end{number}" if last else out], **options))
        if last:
            nodes.append(helper.make_node("Transpose", [f"end{number}"], [out], perm=[0, 2, 3, 1]))
        shape = [batch, *few, classes] if last else [batch, classes, *few]
        outputs.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, shape))
    image = helper.make_tensor_value_info("image", kind, [batch, *sides, bands] if last else [batch, bands, *sides])
    graph = helper.make_graph(nodes, "net", [image], outputs, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="pytorch")
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def by_onnxruntime(file, batch, *, layout="NCHW", end="softmax", stride=1, output=-1):
    """Probabilities (n, h, w, K) as someone with onnxruntime and NumPy would make them."""
    session = onnxruntime.InferenceSession(str(file))
    image = session.get_inputs()[0]
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
    given = [
        session.run(None, {image.name: (one if layout == "NHWC" else one.transpose(2, 0, 1))[None].astype(kinds[image.type])})[output][0]
        for one in batch
    ]
    values = np.stack([one if layout == "NHWC" else one.transpose(1, 2, 0) for one in given])
    if end == "logits" and values.shape[-1] > 1:
        values = np.exp(values - values.max(-1, keepdims=True))
        values /= values.sum(-1, keepdims=True)
    elif values.shape[-1] == 1:
        share = values if end == "sigmoid" else 1 / (1 + np.exp(-values))
        values = np.concatenate([1 - share, share], axis=-1)
    elif end == "sigmoid":
        values = values / values.sum(-1, keepdims=True)
    return enlarged(values, stride)


def enlarged(values, times):
    """Bilinear from middle to middle of the pixels, edges held."""
    for axis in (1, 2):
        length = values.shape[axis]
        at = np.clip((np.arange(length * times) + 0.5) / times - 0.5, 0, length - 1)
        low = np.minimum(at.astype(int), max(length - 2, 0))
        part = (at - low).reshape([-1 if each == axis else 1 for each in range(4)])
        values = np.take(values, low, axis) * (1 - part) + np.take(values, np.minimum(low + 1, length - 1), axis) * part
    return values


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_CACHE", str(tmp_path / "cache"))


FORMS = {
    "fixed, channels first, softmax": {},
    "fixed, channels last, logits": {"layout": "NHWC", "end": "logits"},
    "free, channels first, logits": {"side": None, "end": "logits"},
    "free, channels last, softmax": {"layout": "NHWC", "side": None},
    "one sigmoid": {"classes": 1, "end": "sigmoid", "side": None},
    "one logit, batch of one": {"classes": 1, "end": "logits", "batch": 1},
    "sigmoids side by side": {"classes": 3, "end": "sigmoid"},
    "a quarter of the size": {"stride": 4, "end": "logits", "side": None},
    "deep supervision": {"heads": 2},
    "half precision": {"kind": TensorProto.FLOAT16},
    "whole numbers": {"kind": TensorProto.UINT8},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_probabilities_are_those_of_onnxruntime(tmp_path, form):
    asked = FORMS[form]
    file = network(tmp_path / "net.onnx", **asked)
    model = import_model(file, tmp_path / "m", Answers(patch_size=32, normalisation=PLAIN))
    assert (tmp_path / "m" / "network.onnx").read_bytes() == file.read_bytes() and model.served == "an ONNX network"
    picture = np.round(PICTURE * 255) if form == "whole numbers" else PICTURE
    expected = by_onnxruntime(file, picture, **{key: asked[key] for key in ("layout", "end", "stride") if key in asked})
    found = open_engine(find_model(model.folder))(picture)
    tolerance = 2e-3 if form == "half precision" else 1e-4
    np.testing.assert_allclose(found, expected, atol=tolerance)
    assert found.shape[-1] == max(2, asked.get("classes", 4)) and np.ptp(expected) > 0.1


def test_a_file_of_any_size_takes_the_patch_that_is_asked_for(tmp_path):
    file = network(tmp_path / "net.onnx", side=None, end="logits")
    model = import_model(file, tmp_path / "m", Answers(normalisation=PLAIN))
    assert model.card.patch_shape == (256, 256)
    wide = np.concatenate(np.split(PICTURE, 2), axis=2)
    np.testing.assert_allclose(open_engine(model, patch_size=(32, 64))(wide), by_onnxruntime(file, wide, end="logits"), atol=1e-4)
    fixed = import_model(network(tmp_path / "fixed.onnx"), tmp_path / "f", Answers(normalisation=PLAIN))
    with pytest.raises(ModelError, match="only takes 32 x 32 pixels, and patches of 64 x 64"):
        open_engine(fixed, patch_size=(64, 64))


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((None, 3, 512, 512), True),
        ((1, 512, 512, 3), False),
        ((1, 3, None, None), True),
        ((None, None, None, 4), False),
        ((None, None, None, None), None),
        ((1, 64, 32, 32), True),
        ((1, 32, 32, 64), False),
        ((1, 3, 256, 512), True),
        ((1, 256, 512, 3), False),
    ],
)
def test_where_the_bands_are_is_told_by_the_shape(shape, first):
    assert bands_first(shape) is first


DEEPNESS = {
    "model_type": json.dumps("Segmentor"),
    "class_names": json.dumps({"0": "road", "1": "water", "2": "roof", "3": "grass"}),
    "resolution": json.dumps(21),
    "tiles_size": json.dumps(64),
    "tiles_overlap": json.dumps(15),
    "standardization_mean": json.dumps([0.5, 0.25, 0.75]),
    "standardization_std": json.dumps([0.25, 0.5, 0.125]),
    "seg_thresh": json.dumps(0.5),
    "license": "CC BY 4.0",
    "author": "Ada",
}


def test_what_deepness_writes_into_a_file_is_taken_and_asked_no_more(tmp_path):
    file = network(tmp_path / "net.onnx", side=None, metadata=DEEPNESS)
    examined = examine(file)
    assert examined.asks == ("bands", "patch_size") and examined.normalisations[0].label == "As the file says"
    told = " ".join(examined.tells)
    for words in ("An ONNX network.", "road, water, roof, grass", "0.21 m", "CC BY 4.0", "Made by Ada", "Saved by pytorch.", "any size"):
        assert words in told
    card = import_model(file, tmp_path / "m", Answers()).card
    assert card.scheme.names == ("road", "water", "roof", "grass") and card.pixel_size_m == 0.21 and card.patch_shape == (64, 64)
    # mean 0.5 of 0 to 1 is 127.5 of 255, and so on
    assert card.normalisation == {"kind": "standard", "mean": [127.5, 63.75, 191.25], "std": [63.75, 127.5, 31.875]}
    assert card.licence == "CC BY 4.0" and card.assumed == ("bands 1, 2, 3 = red, green, blue",)
    assert "Licence, as its file says: CC BY 4.0" in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    # what the user says counts more
    told = Answers(scheme=scheme_of(["a", "b", "c", "d"]), normalisation=PLAIN, patch_size=32, pixel_size_m=0.5)
    card = import_model(file, tmp_path / "n", told).card
    assert card.scheme.names == ("a", "b", "c", "d") and (card.normalisation, card.pixel_size_m, card.patch_size) == (PLAIN, 0.5, 32)


@pytest.mark.parametrize(
    ("written", "classes", "names"),
    [
        ("{0: 'not_road', 1: 'road'}", 1, ("not_road", "road")),
        ('{"0": "road"}', 1, ("Background", "road")),
        ('[{"0": "a", "1": "b", "2": "c"}]', 3, ("a", "b", "c")),
        ('["a", "b", "c"]', 3, ("a", "b", "c")),
        ('{"0": "a", "2": "c"}', 2, None),
        ('{"0": "a", "1": "a"}', 2, None),
        ('{"0": "a"}', 3, None),
    ],
)
def test_class_names_are_read_as_people_write_them(tmp_path, written, classes, names):
    file = network(tmp_path / "net.onnx", classes=classes, end="sigmoid", metadata={"model_type": "Segmentor", "class_names": written})
    card = examine(file).card
    assert card.normalisation == {"kind": "divide", "divisor": 255.0}  # what Deepness always does
    if names is None:
        assert any("class names" in sentence for sentence in card.assumed) and any("names" in note for note in card.notes[2:])
    else:
        assert card.scheme.names == names


def test_names_tell_how_many_classes_there_are_where_the_shape_does_not(tmp_path):
    file = network(tmp_path / "net.onnx", side=None, metadata=DEEPNESS)
    spoilt(file, lambda model: setattr(model.graph.output[0].type.tensor_type.shape.dim[1], "dim_param", "classes"))
    assert examine(file).card.scheme.names == ("road", "water", "roof", "grass")
    spoilt(file, lambda model: setattr(model.metadata_props[1], "value", '["a", "b"]'))
    card = import_model(file, tmp_path / "m", Answers()).card  # four, as is seen when it is loaded
    assert len(card.scheme) == 4 and any("names 2 classes and gives 4" in note for note in card.notes)


def test_no_mean_to_take_off_is_a_division(tmp_path):
    said = {"standardization_mean": "[0, 0.0, 0]", "standardization_std": "[1, 1, 1]"}
    assert examine(network(tmp_path / "net.onnx", metadata=said)).card.normalisation == {"kind": "divide", "divisor": 255.0}
    said["standardization_std"] = "[1, 2, 4]"
    assert examine(network(tmp_path / "net.onnx", metadata=said)).card.normalisation == {
        "kind": "divide",
        "divisor": [255.0, 510.0, 1020.0],
    }


def test_keys_that_cannot_be_read_are_told_and_asked(tmp_path):
    metadata = {"model_type": '"Segmentor"', "resolution": '"fine"', "tiles_size": "-3", "standardization_mean": "[1, 2]"}
    file = network(tmp_path / "net.onnx", side=None, metadata={**metadata, "standardization_std": "[1, 0]"})
    card = import_model(file, tmp_path / "m", Answers(patch_size=32)).card
    assert card.pixel_size_m is None and sum("cannot be read" in note for note in card.notes) == 2
    assert any("not for 3 bands" in note for note in card.notes) and "8-bit images, divided by 255" in card.assumed


def test_the_text_that_geoai_writes_beside_a_file_is_read(tmp_path):
    file = network(tmp_path / "net.onnx", side=None, end="logits")
    beside = {
        "task": "semantic-segmentation",
        "input_height": 64,
        "id2label": {"0": "a", "1": "b", "2": "c", "3": "d"},
        "model_name": "nvidia/x",
    }
    (tmp_path / "net.onnx.json").write_text(json.dumps(beside))
    examined = examine(file)
    assert examined.asks == ("bands", "normalisation", "patch_size")
    assert examined.card.scheme.names == ("a", "b", "c", "d") and examined.card.patch_size == 64
    (tmp_path / "net.onnx.json").write_text(json.dumps({**beside, "task": "object-detection"}))
    with pytest.raises(ModelError, match="calls itself object-detection, which finds objects as boxes"):
        examine(file)


def spoilt(file, change):
    model = onnx.load(file)
    change(model)
    onnx.save(model, file)


def without_conv(model):
    model.graph.node[0].op_type = "Quanv"


def of_another_program(model):
    model.graph.node[1].op_type, model.graph.node[1].domain = "Tanhy", "com.example"
    model.opset_import.add(domain="com.example", version=1)


def two_inputs(model):
    model.graph.input.add().CopyFrom(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 3, 32, 32]))


def one_label(model):
    model.graph.node.add().CopyFrom(helper.make_node("GlobalAveragePool", ["out0"], ["pooled"]))
    model.graph.node.add().CopyFrom(helper.make_node("Flatten", ["pooled"], ["label"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("label", TensorProto.FLOAT, ["batch", 4]))


def numbers_of_classes(model):
    model.graph.node.add().CopyFrom(helper.make_node("ArgMax", ["out0"], ["label"], axis=1))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch", 1, 32, 32]))


def says(**metadata):
    def change(model):
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            says(model_type='"Detector"'),
            "net.onnx calls itself Detector, which finds objects as boxes.*Expected a network that gives classes",
        ),
        (says(model_type="Superresolution"), "Superresolution, which makes an image finer"),
        (says(task="detect", names="{0: 'car'}"), "calls itself detect, which finds"),
        (lambda model: setattr(model.opset_import[0], "version", 99), "operator set 99 of ONNX. Expected at most .*opset_version=17"),
        (lambda model: setattr(model, "ir_version", 99), "IR version 99"),
        (without_conv, "net.onnx is a broken ONNX file .*Quanv.*Download or export it again"),
        (of_another_program, "OpenVINO cannot read net.onnx .*Tanhy"),
        (lambda model: model.graph.ClearField("initializer"), "broken ONNX file"),
        (two_inputs, "net.onnx takes 2 inputs: image: float32 .*other: float32"),
        (one_label, "one label of 4 for a whole image"),
        (numbers_of_classes, "numbers of classes"),
    ],
)
def test_what_is_no_map_of_one_image_is_refused_in_one_line(tmp_path, change, told):
    file = network(tmp_path / "net.onnx")
    spoilt(file, change)
    with pytest.raises(ModelError, match=told) as raised:
        import_model(file, tmp_path / "m", Answers())
    assert "\n" not in str(raised.value) and not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [({"batch": 8}, "8 x 32 x 32 x 3"), ({"side": 4}, "images of 4 x 4 pixels"), ({"heads": 2, "classes": 300}, "300 classes")],
)
def test_a_size_that_nothing_can_be_done_with_is_refused(tmp_path, options, told):
    with pytest.raises(ModelError, match=told):
        import_model(network(tmp_path / "net.onnx", **options), tmp_path / "m", Answers())
    assert not (tmp_path / "m").exists()


def test_files_that_are_none_or_cut_off_are_refused_in_one_line(tmp_path):
    whole = network(tmp_path / "net.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(1, len(whole) - 1, 97):
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelError) as raised:
            import_model(cut, tmp_path / "m", Answers())
        assert "\n" not in str(raised.value)
    for content, told in ((b"", "is empty"), (b"<!DOCTYPE html><html>Sign in", "a web page"), (b"version https://git-lfs", "Git LFS")):
        cut.write_bytes(content)
        with pytest.raises(ModelError, match=told):
            examine(cut)
    assert not (tmp_path / "m").exists()


def test_weights_beside_the_file_are_taken_into_it_or_missed_in_one_line(tmp_path):
    file = network(tmp_path / "net.onnx")
    expected = by_onnxruntime(file, PICTURE)
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="net.data", size_threshold=0)
    model = import_model(file, tmp_path / "m", Answers(normalisation=PLAIN))
    (tmp_path / "net.data").rename(tmp_path / "gone")
    np.testing.assert_allclose(open_engine(model)(PICTURE), expected, atol=1e-4)
    with pytest.raises(ModelError, match="keeps its weights in net.data, which is not beside it.*Copy both files"):
        examine(file)
    spoilt_data = onnx.load(file, load_external_data=False)
    spoilt_data.graph.initializer[0].external_data[0].value = "../net.data"
    file.write_bytes(spoilt_data.SerializeToString())
    with pytest.raises(ModelError, match="in another folder"):
        examine(file)


@pytest.fixture(scope="module")
def taken(tmp_path_factory) -> Model:
    """A free network of ONNX in a library, fed with values divided by 255."""
    folder = tmp_path_factory.mktemp("onnx")
    file = network(folder / "net.onnx", side=None, end="logits", metadata=DEEPNESS)
    told = Answers(scheme=default_scheme(4), patch_size=32, normalisation={"kind": "divide", "divisor": 255.0})
    return import_model(file, folder / "models" / "net", told)


def test_it_is_listed_predicts_a_scene_and_is_evaluated(taken, tmp_path):
    assert [model.card.licence for model in list_models([taken.folder]) if model.card.name == "net"] == ["CC BY 4.0"]
    picture = np.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    labels = by_onnxruntime(taken.file, picture[None] / np.float32(255), end="logits").argmax(-1).astype(np.uint8)
    predicts_and_is_evaluated(taken, picture, labels, tmp_path)


def test_what_needs_keras_is_refused_in_one_line(taken, tmp_path):
    with pytest.raises(ModelError, match="net is an ONNX network, which Keras cannot load"):
        taken.keras_model()
    with pytest.raises(ModelError, match="an ONNX network"):
        export_model(taken, tmp_path / "x.onnx")
    with pytest.raises(SettingsError, match="engine tensorflow for net, which is an ONNX network"):
        open_engine(taken, engine="tensorflow")
    with pytest.raises(ModelError, match="x.onnx is an ONNX network.*Import it"):
        find_model(network(tmp_path / "x.onnx"))
    assert [file.name for file in tmp_path.glob("x*")] == ["x.onnx"]
