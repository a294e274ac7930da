import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from core.classes import ClassScheme
from core.confusion import Confusion, counts_of_pairs
from core.errors import InputError

SCHEME = ClassScheme(names=("a", "b", "c"), colours=((1, 0, 0), (2, 0, 0), (3, 0, 0)))

TRUTH = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [255, 255, 1, 1]], np.uint8)
GUESS = np.array([[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]], np.uint8)
# labelled: 14 pixels, 6 of class 0 and 8 of class 1; class 2 is absent.
# class 0: 4 right, 2 called 1.  class 1: 7 right, 1 called 0.


def hand():
    return Confusion.empty(3).add(TRUTH, GUESS)


def test_counts_of_a_4x4():
    assert hand().counts.tolist() == [[4, 2, 0], [1, 7, 0], [0, 0, 0]]
    assert hand().counts.dtype == np.int64
    assert hand().ignored_pixels == 2
    assert hand().pixels == 14


def test_scores_of_a_4x4():
    scores = hand()
    assert scores.accuracy == pytest.approx(11 / 14)  # (4 + 7) / 14
    assert scores.iou[:2] == pytest.approx([4 / 7, 7 / 10])  # 4 / (4 + 1 + 2), 7 / (7 + 2 + 1)
    assert scores.precision[:2] == pytest.approx([4 / 5, 7 / 9])
    assert scores.recall[:2] == pytest.approx([4 / 6, 7 / 8])
    assert scores.f1[:2] == pytest.approx([8 / 11, 14 / 17])  # 2*4 / (5 + 6), 2*7 / (9 + 8)
    assert scores.mean_iou == pytest.approx((4 / 7 + 7 / 10) / 2)
    assert scores.micro_iou == pytest.approx(11 / 17)  # 11 / (2 * 14 - 11)
    # chance: (5*6 + 9*8) / 14^2 = 102 / 196; kappa = (11/14 - 102/196) / (94 / 196) = 52 / 94
    assert scores.kappa == pytest.approx(52 / 94)


def test_an_absent_class_is_nan_even_when_it_is_predicted():
    scores = Confusion.empty(3).add(np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1]))
    assert np.isnan([scores.iou[2], scores.precision[2], scores.recall[2], scores.f1[2]]).all()
    assert scores.mean_iou == pytest.approx((1 / 2 + 1) / 2)
    assert scores.summary(SCHEME)["absent"] == ["c"]


def test_a_class_never_predicted_scores_zero():
    scores = Confusion.empty(2).add(np.array([0, 1]), np.array([0, 0]))
    assert scores.iou.tolist() == [0.5, 0.0]
    assert np.isnan(scores.precision[1])
    assert scores.recall[1] == 0.0


def test_nothing_counted_is_nan_not_zero():
    empty = Confusion.empty(3).add(np.full((2, 2), 255), np.zeros((2, 2)))
    assert np.isnan([empty.accuracy, empty.mean_iou, empty.micro_iou, empty.kappa]).all()
    assert empty.ignored_pixels == 4


def test_a_pixel_without_prediction_is_ignored():
    scores = Confusion.empty(2).add(np.array([0, 1, 1]), np.array([0, 1, 255]))
    assert (scores.pixels, scores.ignored_pixels) == (2, 1)


def test_shapes_must_agree():
    with pytest.raises(InputError):
        Confusion.empty(2).add(np.zeros((2, 3)), np.zeros((3, 2)))


def test_summary_has_the_contract_keys():
    summary = hand().summary(SCHEME)
    assert {"accuracy", "mean_iou", "micro_iou", "classes", "pixels", "ignored_pixels"} <= set(summary)
    assert set(summary["classes"]) == {"a", "b", "c"}
    assert {"iou", "precision", "recall", "f1"} <= set(summary["classes"]["a"])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 60))
def test_equal_to_scikit_learn(seed, classes, size):
    rng = np.random.default_rng(seed)
    truth = rng.choice([*range(classes), 255], size)
    guess = rng.integers(0, classes, size)
    scores = Confusion.empty(classes).add(truth, guess)
    used = truth != 255
    if not used.any():
        assert scores.pixels == 0
        return
    known, found = truth[used], guess[used]
    labels = sorted(set(known.tolist()))
    assert scores.accuracy == pytest.approx(oracle.accuracy_score(known, found))
    assert scores.iou[labels] == pytest.approx(oracle.jaccard_score(known, found, labels=labels, average=None))
    assert scores.recall[labels] == pytest.approx(oracle.recall_score(known, found, labels=labels, average=None))
    precision = oracle.precision_score(known, found, labels=labels, average=None, zero_division=np.nan)
    assert scores.precision[labels] == pytest.approx(precision, nan_ok=True)
    assert scores.f1[labels] == pytest.approx(oracle.f1_score(known, found, labels=labels, average=None))
    assert scores.mean_iou == pytest.approx(oracle.jaccard_score(known, found, labels=labels, average="macro"))
    for label in labels:
        single = oracle.cohen_kappa_score(known == label, found == label) if len(set(known.tolist()) | set(found.tolist())) > 1 else np.nan
        assert scores.class_kappa[label] == pytest.approx(single, nan_ok=True)
    # With the unlabelled pixels as one more class, nothing is left out.
    whole = scores.with_ignored(np.bincount(guess[~used], minlength=classes))
    filled = np.where(used, truth, classes)
    assert whole.accuracy == pytest.approx(oracle.accuracy_score(filled, guess))
    present = sorted(set(filled.tolist()))
    assert whole.iou[present] == pytest.approx(oracle.jaccard_score(filled, guess, labels=present, average=None))
    assert (whole.pixels, whole.ignored_pixels) == (size, 0)
    everything = list(range(classes))
    assert scores.micro_iou == pytest.approx(oracle.jaccard_score(known, found, labels=everything, average="micro"))
    if len(set(known.tolist()) | set(found.tolist())) > 1:
        assert scores.kappa == pytest.approx(oracle.cohen_kappa_score(known, found), nan_ok=True)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_parts_add_up_to_the_whole(seed):
    rng = np.random.default_rng(seed)
    truth, guess = rng.choice([0, 1, 2, 255], (7, 5)), rng.integers(0, 3, (7, 5))
    whole = Confusion.empty(3).add(truth, guess)
    assert Confusion.empty(3).add(truth[:3], guess[:3]) + Confusion.empty(3).add(truth[3:], guess[3:]) == whole


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 255))
@settings(max_examples=30, deadline=None)
def test_bytes_are_counted_as_other_numbers_are(seed, size):
    """For bytes there is a quicker way; 255 and whatever lies above the classes is left out by both."""
    random = np.random.default_rng(seed)
    truth, guess = (random.integers(0, 256, (7, 9), np.uint8) for _ in range(2))
    quick, usual = Confusion.empty(size).add(truth, guess), Confusion.empty(size).add(truth.astype(np.int16), guess.astype(np.int16))
    assert quick == usual and quick.pixels + quick.ignored_pixels == truth.size
    pairs = counts_of_pairs(truth, guess)
    assert pairs.shape == (256, 256) and pairs.sum() == truth.size
    assert pairs[truth[0, 0], guess[0, 0]] == ((truth == truth[0, 0]) & (guess == guess[0, 0])).sum()
