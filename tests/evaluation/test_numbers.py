"""Intervals, boundaries, polygons, areas, thresholds and calibration on values worked by hand, and against plain sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from core.classes import ClassScheme
from core.confusion import Confusion
from core.errors import InputError
from core.evaluation.areas import adjusted_areas
from core.evaluation.boundary import boundary_counts, boundary_distance_px, boundary_iou
from core.evaluation.calibration import after_temperature, fit_temperature, reliability, reliability_of_bytes
from core.evaluation.intervals import bootstrap, bootstrap_difference, scores_of
from core.evaluation.regions import PolygonMatcher, PolygonScore, Regions
from core.evaluation.result import Evaluation, SceneResult
from core.evaluation.thresholds import probability_histogram, threshold_curve
from core.prediction.blend.tempering import tempered
from core.prediction.temperature import with_temperature


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_scores_of_many_matrices_are_those_of_each(seed):
    rng = np.random.default_rng(seed)
    many = rng.integers(0, 50, (4, 3, 3)) * rng.integers(0, 2, (4, 3, 1))
    found = scores_of(many)
    for number, counts in enumerate(many):
        one = Confusion(counts)
        for name in ("accuracy", "mean_iou", "micro_iou", "mean_f1", "kappa", "iou", "precision", "recall", "f1"):
            assert found[name][number] == pytest.approx(getattr(one, name), nan_ok=True), name


def scenes(rng, count, *, right=0.8):
    """Counts (count, 2, 2) of scenes that differ in how hard they are."""
    share = np.clip(rng.normal(right, 0.1, count), 0.05, 0.95)
    return np.array([[[500 * s, 500 * (1 - s)], [500 * (1 - s), 500 * s]] for s in share.round(2)]).round().astype(int)


def test_an_interval_holds_the_score_and_repeats_with_its_seed():
    counts = scenes(np.random.default_rng(1), 20)
    found = bootstrap(counts, seed=3)
    low, high = found.of("accuracy")
    accuracy = Confusion(counts.sum(0)).accuracy
    assert low < accuracy < high
    # The standard error of a mean of scenes is their standard deviation / sqrt(20); the interval is 2 x 1.96 of them wide.
    by_scene = np.trace(counts, axis1=1, axis2=2) / counts.sum((1, 2))
    assert high - low == pytest.approx(2 * 1.96 * by_scene.std() / 20**0.5, rel=0.1)
    assert bootstrap(counts, seed=3).of("iou", 1) == found.of("iou", 1)
    assert bootstrap(counts, seed=4).of("iou", 1) != found.of("iou", 1)
    assert "20 scenes" in found.text


def test_equal_scenes_leave_no_doubt_and_few_scenes_no_interval():
    same = np.repeat([[[8, 2], [1, 9]]], 6, axis=0)
    assert bootstrap(same).of("accuracy") == pytest.approx((0.85, 0.85))
    few = bootstrap(same[:4])
    assert few.of("accuracy") is None and "4 scenes" in few.text


def test_a_paired_difference_is_surer_than_two_intervals():
    rng = np.random.default_rng(0)
    first = scenes(rng, 12)
    better = first + np.array([[[10, -10], [-10, 10]]])
    found = bootstrap_difference(first, better)
    # 10 of 500 pixels of each class turn right in every scene.
    assert found.of("accuracy") == pytest.approx((0.02, 0.02))
    with pytest.raises(InputError):
        bootstrap_difference(first, better[:3])


def test_a_class_seldom_there_gets_no_interval():
    counts = np.zeros((8, 2, 2), int)
    counts[:, 0, 0] = 10
    found = bootstrap(counts)
    assert found.of("iou", 0) == (1, 1) and found.of("iou", 1) is None


def test_boundary_iou_by_hand():
    truth = np.zeros((8, 8), np.uint8)
    truth[1:7, 1:7] = 1
    guess = np.zeros((8, 8), np.uint8)
    guess[2:7, 1:7] = 1
    counts = boundary_counts(truth, guess, classes=2, distance_px=1)
    # Truth: the ring of 6 x 6 = 20 pixels. Guess: the ring of 5 x 6 = 18. In both: the left, right and lower side without
    # the row that only the truth has, 5 + 5 + 4 = 14. In either: 20 + 18 - 14 = 24.
    assert counts[1].tolist() == [14, 24]
    assert boundary_iou(counts)[1] == pytest.approx(14 / 24)
    assert np.isnan(boundary_iou(np.zeros((2, 2)))).all()
    # Background: all 28 pixels around touch the square; of the guess' 34 the 8 of the first row do not.
    assert counts[0].tolist() == [20, 34]


def test_rim_and_unlabelled_are_no_boundary():
    truth = np.ones((6, 9), np.uint8)
    truth[:, 4:] = 255
    assert boundary_counts(truth, np.ones((6, 9), np.uint8), classes=2, distance_px=2).tolist() == [[0, 0], [0, 0]]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 9))
def test_boundaries_of_bands_with_context_add_up_to_the_whole(seed, distance, height):
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.choice([0, 1, 2, 255], (5, 4)), np.ones((5, 5))).astype(np.uint8)
    guess = np.where(rng.random(truth.shape) < 0.1, rng.integers(0, 3, truth.shape), truth % 255).astype(np.uint8)
    whole = boundary_counts(truth, guess, classes=3, distance_px=distance)
    total = np.zeros_like(whole)
    for row in range(0, len(truth), height):
        top, bottom = max(0, row - distance), min(len(truth), row + height + distance)
        rows = slice(row - top, min(row + height, len(truth)) - top)
        total += boundary_counts(truth[top:bottom], guess[top:bottom], classes=3, distance_px=distance, rows=rows)
    np.testing.assert_array_equal(total, whole)


def test_the_boundary_is_two_percent_of_the_diagonal():
    assert (boundary_distance_px(256), boundary_distance_px(8)) == (7, 1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_regions_of_bands_are_those_of_the_whole(seed, height):
    mask = np.random.default_rng(seed).random((17, 13)) < 0.6
    regions = Regions()
    numbers = np.concatenate([regions.add(mask[row : row + height]) for row in range(0, len(mask), height)])
    found = regions.roots()[numbers]
    expected, count = label(mask)
    assert found.max(initial=0) == count
    pairs = set(zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def match(truth, guess, height, **settings):
    matcher = PolygonMatcher(**settings)
    for row in range(0, len(truth), height):
        matcher.add(truth[row : row + height], guess[row : row + height])
    return matcher.score()


@pytest.mark.parametrize("height", [1, 3, 20])
def test_polygons_match_one_to_one(height):
    truth, guess = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    truth[1:7, 1:7] = guess[2:7, 1:7] = True  # 36 and 30 pixels, 30 shared: IoU 30 / 36
    truth[1:7, 10:16] = guess[1:3, 10:16] = True  # 36 and 12, IoU 1/3: no match
    truth[10:16, 1:7] = True  # missed
    guess[10:14, 10:14] = True  # invented
    truth[18, 18] = guess[18, 0] = True  # too small to count
    found = match(truth, guess, height)
    assert found == PolygonScore(truth=3, predicted=3, matched=1)
    assert (found.precision, found.recall, found.f1) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_two_halves_at_exactly_one_half_are_one_match():
    truth, guess = np.zeros((6, 9), bool), np.zeros((6, 9), bool)
    truth[1:5, 0:8] = True
    guess[1:5, 0:4] = guess[1:5, 5:9] = True  # 16 of 32 shared: 0.5; the other 12 of 36
    assert match(truth, guess, 2) == PolygonScore(1, 2, 1)
    assert match(guess, truth, 2) == PolygonScore(2, 1, 1)
    assert np.isnan(PolygonScore().f1) and match(guess, guess, 4).f1 == 1


def test_areas_as_in_olofsson_2014():
    """The paper's example (its tables 8 and 9): deforestation, forest gain, stable forest, stable non-forest; pixels of 0.09 ha."""
    sample = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])  # rows = map
    found = adjusted_areas(sample.T, np.array([200_000, 150_000, 3_200_000, 6_450_000]) * 0.09)
    assert found.estimated.round().tolist() == [21158, 11686, 285770, 581386]
    assert found.half_width.round().tolist() == [6158, 3756, 15510, 16282]
    assert found.users == pytest.approx([0.88, 0.73, 0.93, 0.96], abs=0.005)
    assert found.users_half_width == pytest.approx([0.07, 0.10, 0.04, 0.02], abs=0.005)
    assert found.producers == pytest.approx([0.75, 0.85, 0.93, 0.96], abs=0.005)
    assert (found.accuracy, found.accuracy_half_width) == pytest.approx((0.95, 0.02), abs=0.005)
    assert found.sample == 640


def test_areas_of_a_class_that_the_map_lacks_and_of_one_never_sampled():
    counts = np.array([[8, 0, 2], [2, 10, 0], [0, 0, 0]])
    found = adjusted_areas(counts, np.array([100.0, 50.0, 0.0]))
    assert found.estimated[0] == pytest.approx(80) and found.estimated.sum() == pytest.approx(150)
    assert np.isnan(adjusted_areas(counts * [1, 1, 0], np.array([100.0, 50.0, 10.0])).estimated[0])
    with pytest.raises(InputError):
        adjusted_areas(counts, np.array([1.0, 2.0]))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1 / 255, 0.3, 0.5, 100 / 255, 0.999, 1]))
def test_a_threshold_from_the_histogram_equals_a_count(seed, threshold):
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 256, (3, 200)).astype(np.uint8)
    truth = rng.integers(0, 3, 200)
    histogram = probability_histogram(probabilities, truth)
    assert histogram.sum() == 600
    for number in range(3):
        found = threshold_curve(histogram[number]).at(threshold)
        taken = probabilities[number] >= threshold * 255 - 1e-9
        hits = int((taken & (truth == number)).sum())
        assert found["coverage"] == pytest.approx(taken.mean())
        assert found["recall"] == pytest.approx(hits / max(1, (truth == number).sum()), nan_ok=True)
        assert found["precision"] == pytest.approx(hits / taken.sum() if taken.any() else np.nan, nan_ok=True)


def test_an_absent_class_has_no_curve():
    curve = threshold_curve(probability_histogram(np.full((1, 5), 9, np.uint8), np.full(5, 3))[0])
    assert np.isnan(curve.recall).all() and np.isnan(curve.best)


def drawn(rng, sharper, count=60_000, classes=4):
    """Truth drawn from known probabilities, and the probabilities of a model that is `sharper` times too sure."""
    logits = rng.normal(0, 1.5, (count, classes))
    exact = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (rng.random((count, 1)) > exact.cumsum(1)).sum(1).clip(0, classes - 1)
    shown = np.exp(logits * sharper)
    return (shown / shown.sum(1, keepdims=True)).astype(np.float32), truth


@pytest.mark.parametrize("sharper", [1.0, 2.5, 0.5])
def test_calibration_tells_a_calibrated_model_from_an_overconfident_one(sharper):
    probabilities, truth = drawn(np.random.default_rng(0), sharper)
    before = reliability(probabilities.max(1), probabilities.argmax(1) == truth).ece
    temperature = fit_temperature(probabilities, truth)
    assert temperature == pytest.approx(sharper, rel=0.05)
    after = after_temperature(probabilities, truth, temperature).ece
    assert after < 0.01
    assert (before < 0.01) == (sharper == 1.0) and (sharper == 1.0 or before > 0.08)


def test_reliability_by_hand_and_from_bytes():
    found = reliability(np.array([0.95, 0.9, 0.55, 0.6]), np.array([True, False, True, True]), bins=2)
    assert found.pixels.tolist() == [0, 4]
    found = reliability(np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, True]), bins=10)
    # Half the pixels say 0.95 and are right in 0.5, half say 0.55 and are always right: both are 0.45 off.
    assert found.ece == pytest.approx(0.45)
    counts = np.zeros((2, 256), int)
    counts[1, 255], counts[0, 255], counts[1, 153] = 3, 1, 6  # 153 / 255 = 0.6
    assert reliability_of_bytes(counts).ece == pytest.approx((4 * 0.25 + 6 * 0.4) / 10)
    assert np.isnan(reliability_of_bytes(np.zeros((2, 256))).ece)


def test_a_perfect_model_and_an_empty_sample_have_a_temperature_too():
    sure = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    assert fit_temperature(sure, np.array([0, 1])) == pytest.approx(0.05, rel=0.01)
    assert fit_temperature(sure[:0], np.zeros(0, int)) == 1.0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 20))
def test_a_temperature_never_changes_the_winner(seed, temperature):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, rng.choice([1e-6, 1e-3, 1, 30]), (50, 4)).astype(np.float32)
    exact = np.exp(logits - logits.max(1, keepdims=True))
    exact = (exact / exact.sum(1, keepdims=True)).astype(np.float32)
    found = with_temperature(exact, temperature)
    np.testing.assert_array_equal(found.argmax(1), exact.argmax(1))
    # What whole scenes are given, by straight lines between powers, with pixels of which nothing is known among them.
    exact[::7] = 0
    quick = tempered(exact.reshape(5, 10, 4), temperature).reshape(50, 4)
    np.testing.assert_allclose(quick, with_temperature(exact, temperature), atol=1e-5)
    np.testing.assert_array_equal(quick.argmax(1), exact.argmax(1))
    assert found.dtype == np.float32 and found.sum(1) == pytest.approx(np.ones(50), abs=1e-5)


def test_a_temperature_by_hand():
    # The square root of (0.64, 0.32, 0.04) is (0.8, 0.566, 0.2).
    roots = np.sqrt([0.64, 0.32, 0.04])
    assert with_temperature(np.array([0.64, 0.32, 0.04], np.float32), 2.0) == pytest.approx(roots / roots.sum(), rel=1e-4)
    same = np.array([[0.3, 0.7]], np.float32)
    assert with_temperature(same, 1.0) is same
    assert with_temperature(np.zeros((2, 3), np.float32), 2.0).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_the_mean_over_groups_gives_a_small_group_the_weight_of_a_large_one():
    """Group a: 100 pixels of two classes, all right (IoU 1). Group b, in two scenes: 4 of class 0, of which one is taken for class 1."""

    def scene(name, group, counts):
        none = np.zeros(2, np.int64)
        return SceneResult(name, group, 10, 10, Confusion(np.array(counts, np.int64), 0), none, np.zeros((2, 2)), np.zeros((2, 2)), none)

    results = (scene("1", "a", [[50, 0], [0, 50]]), scene("2", "b", [[2, 0], [0, 0]]), scene("3", "b", [[1, 1], [0, 0]]))
    scheme = ClassScheme(("one", "two"), ((1, 1, 1), (2, 2, 2)))
    found = Evaluation(scheme, results, "all", np.zeros((2, 2, 256)), np.zeros((2, 256)))
    # b: class 0 has 3 of 4; class 1 is not in its truth and counts in no mean.
    assert found.per_group["b"].counts.tolist() == [[3, 1], [0, 0]]
    assert found.mean_iou_over_groups == pytest.approx((1 + 0.75) / 2)
    assert found.confusion.mean_iou == pytest.approx((53 / 54 + 50 / 51) / 2)
