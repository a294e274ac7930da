"""A refined prediction: outside the area the model's own, whole or absent, and taken up again; and painted pixels as a data set."""

import json

import numpy as np
import pytest
import rasterio
import shapely

import core.labelling.refine as refining
from core.__main__ import main
from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.errors import Cancelled, InputError
from core.labelling import classifier
from core.labelling.refine import refine
from core.labelling.stroke_files import write_strokes
from core.labelling.strokes import Stroke
from core.patches.joined import open_patches
from core.patches.prepare import prepare
from core.prediction.folder.rasters import Prediction
from core.scenes.opening import open_scene
from tests.helpers.predicted import predicted

PLACE = dict(crs="EPSG:32640", transform=rasterio.Affine(0.5, 0, 400_000, 0, -0.5, 2_700_000))
ROAD, SAND = [105, 103, 103], [200, 178, 150]  # as `predicted` tells them apart


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """300 x 320 pixels of sand with a road of a brown that is neither; the last 10 columns hold nothing."""
    rng = np.random.default_rng(0)
    pixels = np.full((300, 320, 3), SAND) + rng.integers(-6, 7, (300, 320, 3))
    pixels[100:160] = np.array([150, 140, 126]) + rng.integers(-6, 7, (60, 320, 3))
    pixels[:, 310:] = 0
    path = tmp_path_factory.mktemp("scene") / "street.tif"
    with rasterio.open(path, "w", driver="GTiff", height=300, width=320, count=3, dtype="uint8", nodata=0, **PLACE) as file:
        file.write(pixels.astype(np.uint8).transpose(2, 0, 1))
    return path


@pytest.fixture(scope="module")
def base(scene, tmp_path_factory):
    return predicted(scene, tmp_path_factory.mktemp("said") / "base", blur_px=3)


STROKES = [
    Stroke("road", shapely.LineString([(20, 120), (90, 130)]), 5),
    Stroke("road", shapely.LineString([(200, 140), (280, 125)]), 5),
    Stroke("Land", shapely.LineString([(30, 30), (120, 60)]), 5),
    Stroke("Land", shapely.LineString([(180, 220), (260, 280)]), 5),
]
AREA = shapely.box(0, 60, 200, 300)


@pytest.fixture(scope="module")
def refined(scene, base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "refined"
    return refine(Prediction.open(base), open_scene(scene), STROKES, folder, area=AREA), Prediction.open(folder)


@pytest.fixture(autouse=True)
def a_small_forest(monkeypatch):
    monkeypatch.setattr(classifier, "TREES", 8)


def test_inside_the_area_the_strokes_speak_and_outside_the_model_to_the_pixel(base, refined):
    result, made = refined
    before, after = Prediction.open(base).probabilities(), made.probabilities()
    outside = np.ones((300, 320), bool)
    outside[60:300, :200] = False
    assert np.array_equal(after[outside], before[outside])
    assert np.array_equal(made.labels()[outside], Prediction.open(base).labels()[outside])
    road = DUBAI.names.index("Road")
    assert (made.labels()[105:155, 5:195] == road).mean() > 0.99 and (made.labels()[170:290, 5:195] == road).mean() < 0.01
    assert (before.argmax(-1)[105:155, 5:195] == road).mean() < 0.9
    assert (made.labels()[:, 310:] == 255).all()
    assert result.classes["Road"]["strokes"] == 2 and result.expected_accuracy > 0.9


def test_a_refined_prediction_says_what_it_is(scene, base, refined):
    _, made = refined
    assert made.scheme.names == DUBAI.names and made.card_name == "nearest-colour and strokes"
    assert made.geo == Prediction.open(base).geo and made.made["scene"] == str(scene)
    assert made.made["scene_digest"] == open_scene(scene).digest and made.made["settings"]["area"] == AREA.wkt


def test_a_class_that_the_model_lacks_is_a_new_one(scene, base, tmp_path):
    strokes = [Stroke("Track", one.geometry, 5) if one.class_name == "road" else one for one in STROKES]
    refine(Prediction.open(base), open_scene(scene), strokes, tmp_path / "out")
    made = Prediction.open(tmp_path / "out")
    assert made.scheme.names == (*DUBAI.names, "Track") and len(set(made.scheme.colours)) == 6
    assert (made.labels()[105:155, 5:300] == 5).mean() > 0.5


def test_a_run_that_was_killed_goes_on_and_a_cancelled_one_leaves_nothing(scene, tmp_path, monkeypatch):
    wanted = refine(None, open_scene(scene), STROKES, tmp_path / "whole")
    written = []

    real = refining.Answer.probabilities

    def probabilities(answer, window, *, every=1):
        written.append(window)
        if len(written) == 3:
            raise KeyboardInterrupt
        return real(answer, window, every=every)

    monkeypatch.setattr(refining.Answer, "probabilities", probabilities)
    with pytest.raises(KeyboardInterrupt):
        refine(None, open_scene(scene), STROKES, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    refine(None, open_scene(scene), STROKES, tmp_path / "out")
    assert len(written) == 3 + 2  # the first row of two tiles was there
    assert wanted.windows == 4
    one, other = (Prediction.open(tmp_path / name).probabilities() for name in ("whole", "out"))
    assert np.array_equal(one, other)
    asked = iter([False] * 4 + [True] * 99)
    with pytest.raises(Cancelled):
        refine(None, open_scene(scene), STROKES, tmp_path / "cancelled", should_stop=lambda: next(asked))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def test_one_class_is_refused_before_the_model_is_opened(scene, tmp_path):
    with pytest.raises(InputError, match="strokes of Land alone. Expected strokes of two classes at least. Paint what is something else"):
        refine(None, open_scene(scene), STROKES[2:], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def run(capsys, *words):
    """Exit code, the last line of stdout as JSON or None, and stderr."""
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, json.loads(said.out.splitlines()[-1]) if code == 0 else None, said.err


def test_the_command_line_refines_a_prediction_and_strokes_alone(scene, base, tmp_path, capsys):
    where = open_scene(scene)
    strokes = write_strokes(tmp_path / "strokes.geojson", [*STROKES, Stroke("Land", shapely.Point(5_000, 5))], where)
    area = write_strokes(tmp_path / "area.gpkg", [Stroke("x", AREA)], where)
    code, said, _ = run(capsys, "refine", base, scene, strokes, tmp_path / "out", "--area", area, "--json")
    assert code == 0 and said["notes"] == ["1 of 5 strokes outside the scene: left out"]
    assert set(said) >= {"folder", "classes", "expected_accuracy", "windows", "seconds", "peak_memory_mib"}
    assert said["classes"]["Road"] == {"strokes": 2, "pixels": said["classes"]["Road"]["pixels"]}
    code, said, _ = run(capsys, "refine", "none", scene, strokes, tmp_path / "alone", "--json")
    assert code == 0 and Prediction.open(tmp_path / "alone").scheme.names == ("road", "Land")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("years of work")
    code, _, error = run(capsys, "refine", "none", scene, strokes, tmp_path / "foreign", "--json")
    assert code == 2 and "holds other files" in error and len(error.splitlines()) == 1


def test_a_prediction_of_another_scene_is_refused(base, tmp_path, capsys):
    with rasterio.open(tmp_path / "small.tif", "w", driver="GTiff", height=50, width=60, count=3, dtype="uint8", **PLACE) as file:
        file.write(np.full((3, 50, 60), 9, np.uint8))
    strokes = write_strokes(
        tmp_path / "s.geojson",
        [Stroke(n, shapely.box(k, 1, k + 5, 9)) for k, n in ((1, "a"), (30, "b"))],
        open_scene(tmp_path / "small.tif"),
    )
    code, _, error = run(capsys, "refine", base, tmp_path / "small.tif", strokes, tmp_path / "out", "--json")
    assert code == 2 and "a prediction of 300 x 320 pixels" in error
    assert not (tmp_path / "out").exists()


def test_painted_pixels_become_a_data_set_that_can_be_prepared(scene, tmp_path, capsys):
    strokes = write_strokes(tmp_path / "strokes.geojson", STROKES, open_scene(scene))
    code, said, _ = run(capsys, "labels", strokes, scene, tmp_path / "set", "--json")
    assert code == 0 and set(said["classes"]) == {"road", "Land"}
    dataset = open_dataset(tmp_path / "set")
    [pair] = dataset.pairs
    ids = pair.labels(dataset.scheme)
    assert ids.shape == (300, 320) and (ids[118:122, 30:40] == 0).any() and (ids == 255).mean() > 0.9
    counts = {name: int((ids == k).sum()) for k, name in enumerate(dataset.scheme.names)}
    assert counts == {name: one["pixels"] for name, one in said["classes"].items()}
    prepare(dataset, tmp_path / "store", patch_size=64, stride=64, min_labelled=0.01)
    assert open_patches(tmp_path / "store").scheme.names == ("road", "Land")
    assert run(capsys, "labels", strokes, scene, tmp_path / "set", "--json")[0] == 0  # ours may be replaced
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "classes.json").write_text("{}")
    code, _, error = run(capsys, "labels", strokes, scene, tmp_path / "theirs", "--json")
    assert code == 2 and "holds other files" in error and (tmp_path / "theirs" / "classes.json").exists()


def test_nodata_under_a_stroke_does_not_count(scene, tmp_path, capsys):
    painted = [Stroke("Land", shapely.box(300, 0, 320, 10)), Stroke("Road", shapely.box(0, 110, 10, 120))]
    strokes = write_strokes(tmp_path / "strokes.geojson", painted, open_scene(scene))
    _, said, _ = run(capsys, "labels", strokes, scene, tmp_path / "set", "--json")
    assert said["classes"] == {"Land": {"pixels": 100}, "Road": {"pixels": 100}}
    assert said["notes"] == ["100 painted pixels where the scene holds nothing: left out"]
    _, said, _ = run(capsys, "refine", "none", scene, strokes, tmp_path / "out", "--json")
    assert said["notes"] == ["100 painted pixels where the scene holds nothing: left out"]
