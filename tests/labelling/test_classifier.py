"""The forest: scikit-learn's trees walked by our own kernel, and judged by strokes that they did not see."""

import numpy as np
from sklearn.tree import ExtraTreeClassifier

from core.labelling import classifier
from core.labelling.classifier import fit, ordered
from core.labelling.kernels import vote


def test_our_kernel_walks_a_tree_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(900, 6)).astype(np.float16)
    ids = (values[:, 0] + values[:, 3] * values[:, 2] > 0).astype(int) + (values[:, 5] > 1)
    tree = ExtraTreeClassifier(max_depth=classifier.DEPTH, random_state=3).fit(values.astype(np.float32), ids)
    features = np.zeros((1, classifier.NODES), np.int32)
    limits = np.full(features.shape, 32767, np.int16)
    shares = np.zeros((1, classifier.LEAVES, 3), np.float32)
    classifier._complete(tree, features[0], limits[0], shares[0])
    found = np.zeros((900, 3), np.float32)
    vote(values.view(np.int16), features, limits, shares, found)
    assert np.allclose(found, tree.predict_proba(values.astype(np.float32)), atol=1e-6)


def test_bits_are_in_the_order_of_their_numbers():
    numbers = np.array([-np.inf, -3, -0.25, -0.0, 0.0, 1e-4, 2, 700, np.inf], np.float16)
    found = ordered(numbers)
    assert (np.diff(found) >= 0).all() and (np.diff(found[[0, 1, 2, 4, 5, 6, 7, 8]]) > 0).all()


def test_a_stroke_is_judged_by_trees_that_did_not_see_it():
    """Two strokes of class 0 look alike, the third looks like class 1: trees that did not see it are wrong about it."""
    rng = np.random.default_rng(1)
    looks = np.repeat([0, 0, 5, 5, 5, 5], 50)[:, None] + rng.normal(size=(300, 3))
    fitted = fit(looks.astype(np.float16), np.repeat([0, 0, 0, 1, 1, 1], 50), classes=2, groups=np.repeat(np.arange(6), 50))
    right = (fitted.held_out.argmax(axis=1) == np.repeat([0, 0, 0, 1, 1, 1], 50)).reshape(6, 50).mean(axis=1)
    assert right[2] < 0.5 and (right[[0, 1, 3, 4, 5]] > 0.9).all()


def test_what_is_painted_more_is_no_likelier():
    """1,000 pixels of one class and 100 of another that nothing tells apart."""
    values = np.random.default_rng(2).normal(size=(2100, 4)).astype(np.float16)
    fitted = fit(values[:1100], (np.arange(1100) >= 1000).astype(int), classes=2)
    assert abs(fitted.probabilities(values[1100:])[:, 0].mean() - 0.5) < 0.15


def test_two_fits_are_equal():
    values = np.random.default_rng(3).normal(size=(90, 5)).astype(np.float16)
    ids = (values[:, 0] > 0).astype(int)
    one, other = (fit(values, ids, classes=2, seed=4).probabilities(values.reshape(9, 10, 5)) for _ in range(2))
    assert one.shape == (9, 10, 2) and np.array_equal(one, other)
