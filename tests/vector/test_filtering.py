import numpy as np
import pytest

from core.classes import DUBAI
from core.vector.filtering import Filter, left_by
from core.vector.vectorize import vectorize


@pytest.fixture
def layer():
    """Twelve squares of 4 x 4 px in three classes; of polygon 2 no confidence is known, of the others 1/3, 2/3 and so on."""
    ids = np.kron(np.array([[0, 1, 2, 0], [1, 2, 0, 1], [2, 0, 1, 2]]), np.ones((4, 4))).astype(np.uint8)
    made = vectorize(ids, scheme=DUBAI, simplify=0).layer
    made.frame["mean_confidence"] = [(k % 3 + 1) / 3 for k in range(12)]
    made.frame.loc[made.frame["id"] == 2, "mean_confidence"] = np.nan
    made.frame.loc[made.frame["id"] == 7, "area_px"] = 2 / 3
    return made


def ids_left(layer, **told):
    return left_by(layer, Filter.of(told).passes(layer)).frame["id"].tolist()


def test_each_limit_by_itself_and_all_together(layer):
    everything = layer.frame["id"].tolist()
    assert everything == list(range(1, 13))
    assert ids_left(layer) == ids_left(layer, hidden=[], search="", to=None, sure=0) == everything
    assert ids_left(layer, hidden=[0, 2]) == layer.frame["id"][layer.frame["class_id"] == 1].tolist()
    assert ids_left(layer, search="1") == [1, 10, 11, 12]
    assert ids_left(layer, **{"from": 16}) == [one for one in everything if one != 7]
    assert ids_left(layer, to=15) == [7]
    assert ids_left(layer, sure=60) == [2, 3, 5, 6, 8, 9, 11, 12]  # 2, because nothing is known against it
    assert ids_left(layer, search="1", sure=60, **{"from": 16}) == [11, 12]


def test_limits_hold_for_the_rounded_measures_that_the_map_shows(layer):
    assert ids_left(layer, to=0.667) == [7]  # of 0.666...
    assert ids_left(layer, **{"from": 0.667}) == list(range(1, 13))
    layer.frame["mean_confidence"] = 0.49996
    assert len(ids_left(layer, sure=50)) == 12 and not ids_left(layer, sure=51)


@pytest.mark.parametrize("told", [{"from": "wide"}, {"hidden": ["Water"]}, {"sure": [1]}])
def test_what_is_no_filter_is_refused(told):
    with pytest.raises((TypeError, ValueError)):
        Filter.of(told)
