"""What strokes teach: inside the area of work alone, and together with the model's answer."""

import numpy as np
import pytest
import rasterio
import shapely

from core.classes import ClassScheme
from core.errors import InputError
from core.labelling.answer import Answer, covered, learn
from core.labelling.doubtful import survey
from core.labelling.features import SceneFeatures
from core.labelling.samples import take
from core.labelling.strokes import Stroke
from core.scenes.opening import open_scene
from core.scenes.scene import Window

SCHEME = ClassScheme(("Dark", "Light"), ((1, 1, 1), (250, 250, 250)))
STROKES = [Stroke("Dark", shapely.box(4, 4, 16, 36)), Stroke("Light", shapely.box(44, 4, 56, 36))]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Of a 40 x 60 picture, dark on the left and light on the right, with noise; the lowest four rows hold nothing."""
    rng = np.random.default_rng(0)
    pixels = np.where(np.arange(60) < 30, 60, 180)[None, :, None] + rng.integers(-9, 10, (40, 60, 3))
    pixels[36:] = 0
    path = tmp_path_factory.mktemp("scene") / "halves.tif"
    with rasterio.open(path, "w", driver="GTiff", height=40, width=60, count=3, dtype="uint8", nodata=0) as file:
        file.write(pixels.astype(np.uint8).transpose(2, 0, 1))
    return SceneFeatures(open_scene(path))


def test_strokes_teach_what_is_like_them(features):
    answer = learn(features, STROKES, SCHEME)
    found = answer.probabilities(features.scene.window)
    assert found.shape == (40, 60, 2) and found.dtype == np.float32
    assert (found[:36, :28].argmax(-1) == 0).all() and (found[:36, 32:].argmax(-1) == 1).all()
    assert np.allclose(found[:36].sum(-1), 1, atol=1e-5) and (found[36:] == 0).all()
    part = Window(7, 11, 20, 30)
    assert np.array_equal(answer.probabilities(part), found[part.slices])
    assert np.array_equal(answer.probabilities(part, every=4), found[part.slices][::4, ::4])


def test_outside_the_area_nothing_is_said_where_there_is_no_model(features):
    found = learn(features, STROKES, SCHEME, area=shapely.box(10, 0, 50, 20)).probabilities(features.scene.window)
    inside = found.any(axis=-1)
    assert inside[:20, 10:50].all() and inside.sum() == 20 * 40


def test_an_area_covers_pixels_by_their_centres():
    assert covered(shapely.box(1.4, 0, 3.6, 1), Window(0, 0, 2, 5)).tolist() == [[False, True, True, True, False], [False] * 5]
    assert covered(None, Window(0, 0, 1, 2)).all()


def test_painted_pixels_without_data_do_not_count(features):
    samples = take(features, [Stroke("Dark", shapely.box(0, 30, 10, 40))], SCHEME.names)
    assert len(samples.ids) == 60 and samples.nodata == 40 and samples.painted.tolist() == [100, 0]


@pytest.mark.parametrize(("strokes", "said"), [(STROKES[:1], "strokes of Dark alone"), ([], "no painted pixel")])
def test_one_class_alone_teaches_nothing(features, strokes, said):
    with pytest.raises(InputError, match=f"{said}. Expected strokes of two classes at least"):
        learn(features, strokes, SCHEME)


class Certain:
    """A classifier that is sure of the first class everywhere."""

    def probabilities(self, values):
        return np.broadcast_to(np.array([1, 0], np.float32), (*values.shape[:-1], 2))


class Said:
    """Features of two pixels, the model's three probabilities alone: the second pixel has none of it."""

    prediction, classes = object(), 3

    def read(self, window, *, every=1):
        return np.array([[[51 / 255, 153 / 255, 51 / 255], [0, 0, 0]]], np.float16)

    def model(self, values):
        return np.rint(values.astype(np.float32) * 255) / np.float32(255)


FOUR = ClassScheme(tuple("abcd"), tuple((k, k, k) for k in range(4)))


def test_a_class_that_nobody_painted_keeps_what_the_model_gives_it():
    """The first and the fourth were painted, the fourth is new: they share the 0.2 that the model gives the first.

    The strokes say 1 and 0, which count as 1.03 and 0.03, and the model as much for one as for the other.
    """
    found = Answer(FOUR, (0, 3), Certain(), Said()).probabilities(Window(0, 0, 1, 2))
    assert np.allclose(found[0, 0], [0.2 * 1.03 / 1.06, 0.6, 0.2, 0.2 * 0.03 / 1.06], atol=1e-6)
    assert np.allclose(found[0, 1], [1.03 / 1.06, 0, 0, 0.03 / 1.06], atol=1e-6)  # where the model says nothing


def test_the_strokes_word_is_weighed_with_the_models():
    """Of classes b and c the model says 0.6 and 0.2; strokes that say 0 and 1 turn it round: 0.601 * 0.03 against 0.201 * 1.03."""
    found = Answer(FOUR, (2, 1), Certain(), Said()).probabilities(Window(0, 0, 1, 2))[0, 0]
    assert np.allclose(found, [0.2, 0.8 * 0.01803 / (0.01803 + 0.20703), 0.8 * 0.20703 / (0.01803 + 0.20703), 0], atol=1e-6)


def test_where_only_new_classes_were_painted_the_model_says_nothing():
    five = ClassScheme(tuple("abcde"), tuple((k, k, k) for k in range(5)))
    found = Answer(five, (3, 4), Certain(), Said()).probabilities(Window(0, 0, 1, 2))
    assert np.allclose(found[0, 0], [0, 0, 0, 1.03 / 1.06, 0.03 / 1.06], atol=1e-6)


def test_outside_the_area_the_models_bytes_stay():
    found = Answer(FOUR, (0, 3), Certain(), Said(), shapely.box(1, 0, 2, 1)).probabilities(Window(0, 0, 1, 2))
    assert np.array_equal(found[0, 0], np.array([51, 153, 51, 0], np.float32) / np.float32(255))


def test_accuracy_is_expected_where_a_class_has_two_strokes(features):
    halves = [Stroke(one.class_name, part) for one in STROKES for part in (one.geometry, shapely.affinity.translate(one.geometry, 3, 0))]
    assert learn(features, halves, SCHEME).expected_accuracy > 0.9
    assert learn(features, STROKES, SCHEME).expected_accuracy is None


def test_a_survey_finds_what_was_not_painted(features):
    samples = take(features, STROKES, SCHEME.names)
    found = survey(learn(features, STROKES, SCHEME, samples=samples), samples, Window(0, 0, 40, 60), step_px=4)
    assert found.ids.shape == (10, 15) and (found.ids[9] == -1).all() and (found.doubt[9] == 0).all()
    assert found.unlike[2:8, 2:4].max() < found.unlike[2:8, 6:8].min()  # the border between dark and light was not painted
    assert found.doubt[:9, 7].max() > found.doubt[:9, 2].max()
