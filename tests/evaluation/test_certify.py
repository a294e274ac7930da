from dataclasses import replace

import numpy as np
import pytest

from core.classes import ClassScheme
from core.errors import InputError, SettingsError
from core.evaluation.areas import adjusted_areas
from core.evaluation.certify.answers import ANSWERS_FILE, NOT_SURE, POINTS_FILE, PointAnswers
from core.evaluation.certify.certificate import certificate_of, more_points
from core.evaluation.certify.estimate import certified
from core.evaluation.certify.points import DrawnPoints, draw_points
from core.evaluation.certify.report import certificate_html, points_csv, points_geojson
from core.evaluation.certify.strata import Strata, allocated, strata_of
from core.files import read_json
from core.prediction.folder.rasters import Prediction
from core.words import share_words
from tests.helpers.audits import audited, map_of, shares_in, simply_sampled, truth_of

HEIGHT, WIDTH = 60, 50
SCHEME = ClassScheme(("Roof", "Field", "=Lake"), ((200, 0, 0), (0, 200, 0), (0, 0, 200)))


@pytest.fixture
def prediction(tmp_path) -> Prediction:
    """A small map of three classes: one strip of roofs, fields, a pond of 6 pixels, and a column without data; sure in its upper half."""
    ids = np.ones((HEIGHT, WIDTH), np.uint8)
    ids[:, :10], ids[20:22, 30:33], ids[:, -1] = 0, 2, 255
    confidence = np.where(np.arange(HEIGHT)[:, None] < 30, 250, 140).astype(np.uint8) * (ids < 255).astype(np.uint8)
    return written(tmp_path / "town", ids, confidence)


def written(folder, ids, confidence) -> Prediction:
    import rasterio
    from affine import Affine
    from pyproj import CRS

    from core.files import write_json
    from core.geo import GeoRef
    from core.prediction.folder.rasters import CONFIDENCE, LABELS, geo_to_dict

    folder.mkdir()
    geo = GeoRef(Affine(2, 0, 500000, 0, -2, 2700000), CRS.from_epsg(32640))
    for name, values in ((LABELS, ids), (CONFIDENCE, confidence)):
        where = {"transform": geo.transform, "crs": geo.crs.to_wkt(), "height": ids.shape[0], "width": ids.shape[1]}
        with rasterio.open(folder / name, "w", driver="GTiff", count=1, dtype="uint8", **where) as file:
            file.write(values, 1)
    made = {"model": "m", "scheme": SCHEME.to_dict(), "height": ids.shape[0], "width": ids.shape[1], "geo": geo_to_dict(geo)}
    write_json(folder / "prediction.json", made)
    return Prediction.open(folder)


# ---- strata and points ----


def test_strata_cover_each_class_and_each_level_of_confidence_once(prediction):
    counts = prediction.confidence_counts()
    strata = strata_of(counts, most=6)
    assert strata.pixels.sum() == counts.sum() == HEIGHT * (WIDTH - 1)
    assert {int(name) for name in strata.predicted} == {0, 1, 2} and len(strata.pixels) <= 6
    labels, confidence = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")
    found = strata.of(labels, confidence)
    assert (found[3:] == -1).all()
    shown = counts > 0
    assert (strata.predicted[found[:3][shown]] == np.nonzero(shown)[0]).all()
    assert np.bincount(found[:3][shown], weights=counts[shown]).tolist() == strata.pixels.tolist()


def test_a_map_of_one_sure_class_is_one_stratum_and_one_of_none_is_refused(tmp_path):
    ids = np.zeros((8, 9), np.uint8)
    strata = strata_of(written(tmp_path / "sure", ids, ids + np.uint8(255)).confidence_counts())
    assert strata.pixels.tolist() == [72] and strata.told[0] == pytest.approx(0.01)
    with pytest.raises(InputError, match="without a mapped pixel"):
        draw_points(written(tmp_path / "empty", ids + np.uint8(255), ids))


def test_points_are_drawn_alike_everywhere_in_their_stratum(prediction, monkeypatch):
    monkeypatch.setattr("core.evaluation.certify.points._STEP_PX", 16)
    labels, confidence = prediction.labels(), prediction.confidence()
    hits, rounds = np.zeros(labels.shape), 40
    for seed in range(rounds):
        points = draw_points(prediction, seed=seed, each=20)
        assert (labels[points.row, points.col] == points.predicted).all()
        assert (confidence[points.row, points.col] == points.confidence).all()
        assert (points.strata.of(labels, confidence)[points.row, points.col] == points.stratum).all()
        hits[points.row, points.col] += 1
    assert np.bincount(points.stratum).tolist() == np.minimum(points.strata.pixels, 20).tolist() and hits.max() <= rounds
    for number, pixels in enumerate(points.strata.pixels):
        inside = hits[points.strata.of(labels, confidence) == number]
        expected = rounds * min(20, pixels) / pixels  # binomial: its variance is a little less than its mean
        assert inside.mean() == pytest.approx(expected) and inside.var() <= 1.3 * expected
        left, right = np.array_split(inside, 2)
        assert abs(left.mean() - right.mean()) < 4 * np.sqrt(4 * expected / pixels) + 1e-9
    again = draw_points(prediction, seed=seed, each=20)
    assert again.row.tolist() == points.row.tolist()


def strata_like(weights, told, predicted=None) -> Strata:
    count = len(weights)
    names = np.arange(count) if predicted is None else np.array(predicted)
    return Strata(names, np.zeros(count, int), np.full(count, 255), np.array(weights), np.array(told))


def test_points_go_where_weight_times_spread_is():
    strata = strata_like([9000, 1000], [0.1, 0.5])  # 0.9 * 0.3 = 0.27 and 0.1 * 0.5 = 0.05: of 64, 54 and 10
    none = np.zeros(2, int)
    found = allocated(strata, 64, wrong=none, drawn=none, planned=none, room=strata.pixels)
    assert found.tolist() == [54, 10]
    kept = allocated(strata, 64, wrong=none, drawn=none, planned=np.array([60, 0]), room=strata.pixels)
    assert kept.tolist() == [60, 4]
    assert allocated(strata, 64, wrong=none, drawn=none, planned=none, room=np.array([20, 30])).tolist() == [20, 30]


def test_a_small_class_gets_its_floor_and_errors_draw_points_to_their_class():
    strata = strata_like([99_900, 100], [0.2, 0.01])
    none = np.zeros(2, int)
    assert allocated(strata, 300, wrong=none, drawn=none, planned=none, room=strata.pixels)[1] == 10
    even = strata_like([500, 500], [0.1, 0.1])
    drawn = np.array([30, 30])
    found = allocated(even, 200, wrong=np.array([0, 15]), drawn=drawn, planned=drawn, room=even.pixels)
    assert found.sum() == 200 and found[1] > 1.2 * found[0]


# ---- estimates ----


def test_estimates_equal_olofssons_where_strata_are_the_classes_and_are_wider_than_zero_without_an_error():
    counts = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
    mapped = np.array([200_000, 150_000, 3_200_000, 6_450_000])
    found, known = certified(strata_like(mapped, [0.2] * 4), counts), adjusted_areas(counts.T, mapped * 1.0)
    assert found.value["accuracy"] == pytest.approx(known.accuracy)
    assert found.value["area"] * mapped.sum() == pytest.approx(known.estimated)
    assert found.value["users"] == pytest.approx(known.users) and found.value["producers"] == pytest.approx(known.producers)
    half = (found.high["area"] - found.low["area"]) / 2 * mapped.sum()
    assert half == pytest.approx(known.half_width, rel=0.1)
    perfect = certified(strata_like([1, 1], [0.05, 0.05]), np.diag([10, 10]))
    assert perfect.value["accuracy"] == 1 and perfect.high["accuracy"] == pytest.approx(1)
    assert 0.78 < perfect.low["accuracy"] < 0.86  # Wilson of 20 points without an error: 0.84


def test_strata_finer_than_classes_add_up():
    """Class 0 in two halves: 8 of 10 and 4 of 10 right, class 1 all right: 0.4 * 0.8 + 0.4 * 0.4 + 0.2 = 0.68."""
    strata = strata_like([400, 400, 200], [0.2, 0.6, 0.01], predicted=[0, 0, 1])
    found = certified(strata, np.array([[8, 2], [4, 6], [0, 10]]))
    assert found.value["accuracy"] == pytest.approx(0.68)
    assert found.value["users"] == pytest.approx([0.6, 1]) and found.value["area"] == pytest.approx([0.48, 0.52])
    assert found.value["producers"] == pytest.approx([1, 0.2 / 0.52])


def test_a_stratum_without_an_answer_is_guessed_and_uncertain():
    strata = strata_like([500, 500], [0.1, 0.4])
    some, all_of_it = certified(strata, np.array([[45, 5], [0, 0]])), certified(strata, np.array([[45, 5], [20, 30]]))
    assert 0.6 < some.value["accuracy"] < 0.85
    assert np.ptp([some.low["accuracy"], some.high["accuracy"]]) > 2 * np.ptp([all_of_it.low["accuracy"], all_of_it.high["accuracy"]])


KINDS = (((1, 1, 1, 1, 1), 1), ((60, 35, 4, 0.5, 0.5), 0.8), ((60, 35, 4, 0.5, 0.5), 0), ((3, 1), 0.5))


@pytest.mark.parametrize("points", [100, 300])
@pytest.mark.parametrize("accuracy", [0.6, 0.85, 0.97])
def test_of_a_thousand_audits_of_each_map_94_in_100_intervals_hold_the_accuracy(accuracy, points):
    """Even classes whose errors the confidence tells, rare ones that it tells of less or nothing, and two classes."""
    held = []
    for weights, knows in KINDS:
        cells = map_of(accuracy, weights, knows=knows)
        strata = strata_of(cells.sum(-1))
        shares = shares_in(strata, cells)
        true = float(truth_of(strata, shares)["accuracy"])
        assert true == pytest.approx(accuracy, abs=0.005)
        found = certified(strata, audited(strata, shares, points, audits=1000, seed=1))
        low, high = found.low["accuracy"], found.high["accuracy"]
        held.append(((low <= true) & (true <= high)).mean())
        simple_low, simple_high = simply_sampled(true, points, audits=1000, seed=1)
        # Where confidence tells nothing, the floor of the rare classes costs a little.
        assert (high - low).mean() < (1.08 if knows == 0 else 1.01) * (simple_high - simple_low).mean()
    assert min(held) >= 0.93 and np.mean(held) >= 0.94


# ---- answers ----


@pytest.fixture
def answers(prediction, tmp_path) -> PointAnswers:
    return PointAnswers.open(prediction, tmp_path / "certified")


def answered(answers: PointAnswers, person: str, count: int, says=lambda point, predicted: predicted, total: int = 100) -> PointAnswers:
    """With `count` answers of a person more."""
    for _ in range(count):
        answers = answers.give(total, person)
        point = answers.next_point(person, total)
        answers = answers.answer(point, says(point, int(answers.points.predicted[point])), person)
    return answers


def test_answers_are_on_disk_at_once_in_the_scenes_coordinates_and_undone_one_by_one(answers, prediction, tmp_path):
    answers = answered(answers, "Ada", 3)
    again = PointAnswers.open(prediction, tmp_path / "certified")
    assert again.answers == answers.answers and again.given == answers.given and len(again.given) == 60
    head, *lines = (answers.folder / ANSWERS_FILE).read_text(encoding="utf-8").splitlines()
    assert head == "point,row,col,x,y,person,answer,time" and len(lines) == 3
    point, row, col, x, y = lines[0].split(",")[:5]
    assert (float(x), float(y)) == (500000 + 2 * (int(col) + 0.5), 2700000 - 2 * (int(row) + 0.5)) and int(point) == answers.given[0]
    answers = answered(answers, "Bo", 1).undo("Ada").undo("Ada")
    assert [one.person for one in answers.answers] == ["Ada", "Bo"] and answers.next_point("Ada", 100) == answers.given[1]
    assert answers.undo("Cy").answers == answers.answers
    assert answers.undo("Bo").undo("Ada").undo("Ada").read().answers == ()


def test_points_come_in_batches_without_doubles_and_two_people_get_the_same(answers):
    answers = answered(answers, "Ada", 60)
    assert len(answers.given) == 60
    answers = answered(answers, "Ada", 1)
    assert len(answers.given) == len(set(answers.given)) == 100
    answers = answered(answers, "Bo", 2)
    assert answers.of("Bo").keys() == set(answers.given[:2])
    predicted = answers.points.predicted[list(answers.given[:60])]
    assert (np.diff(predicted) != 0).sum() > 10  # shuffled, or the one before would tell the class
    assert answers.next_point("Ada", 61) is None and answers.next_point("Ada", 62) is not None


def test_two_people_who_differ_are_told_and_the_first_ones_answer_counts(answers):
    """Ada always says what the map shows. Bo says Field at all 20, and is not sure at one."""
    answers = answered(answers, "Ada", 40)
    answers = answered(answers, "Bo", 20, lambda point, predicted: 1)
    last = answers.given[19]
    answers = answers.answer(last, NOT_SURE, "Bo")
    fields = sum(answers.points.predicted[point] == 1 for point in answers.given[:19])
    found = answers.agreement("Ada", "Bo")
    assert found.pixels == 19 and found.accuracy == pytest.approx(fields / 19) and found.kappa == pytest.approx(0)
    assert len(answers.differing("Ada", "Bo")) == 20 - fields
    for first, wrong in (("Ada", 0), ("Bo", 19 - fields)):
        counts, not_sure = answers.counts(first)
        right = counts[np.arange(len(counts)), answers.points.strata.predicted].sum()
        assert counts.sum() == 40 - (first == "Bo") and not_sure == (first == "Bo") and counts.sum() - right == wrong


@pytest.mark.parametrize(("class_id", "person"), [(3, "Ada"), (-2, "Ada"), (0, " "), (0, "")])
def test_answers_that_make_no_sense_are_refused(answers, class_id, person):
    answers = answers.give(100, "Ada")
    with pytest.raises(SettingsError):
        answers.answer(answers.given[0], class_id, person)
    with pytest.raises(SettingsError):
        answers.give(0, "Ada")
    never = next(point for point in range(len(answers.points.row)) if point not in answers.given)
    with pytest.raises(SettingsError):
        answers.answer(never, 0, "Ada")
    assert not (answers.folder / ANSWERS_FILE).exists()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (ANSWERS_FILE, "point,person,answer\n1,Ada,Moon\n"),
        (ANSWERS_FILE, "point,person,answer\nx,Ada,Roof\n"),
        (ANSWERS_FILE, "nothing\nof this\n"),
        ("given.json", "[1, 1]"),
        ("given.json", '{"a": 1}'),
        (POINTS_FILE, "{}"),
        (POINTS_FILE, "["),
    ],
)
def test_files_that_hold_no_answers_are_named(answers, prediction, tmp_path, file, text):
    (answers.folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"points|answers"):
        PointAnswers.open(prediction, tmp_path / "certified")


def test_points_of_another_map_are_not_taken(answers):
    with pytest.raises(InputError, match="another map"):
        DrawnPoints.load(answers.folder / POINTS_FILE, classes=2, height=HEIGHT, width=WIDTH)
    again = DrawnPoints.load(answers.folder / POINTS_FILE, classes=3, height=HEIGHT, width=WIDTH)
    assert again.row.tolist() == answers.points.row.tolist() and again.strata.told.tolist() == answers.points.strata.told.tolist()


def test_a_prediction_made_anew_has_points_of_its_own(answers, prediction, tmp_path):
    other = replace(prediction, made={**prediction.made, "seconds": 3.0})
    assert PointAnswers.open(other, tmp_path / "certified").folder != answers.folder


# ---- the certificate ----


def test_the_certificate_says_accuracy_areas_and_what_is_missing(answers):
    assert certificate_of(answered(answers, "Ada", 29), "Ada", "Town") is None
    answers = answered(
        answers.read(), "Ada", 51, lambda point, predicted: NOT_SURE if point % 7 == 0 else 1 if point % 5 == 0 else predicted
    )
    answers = answered(answers, "Bo & Co", 10)
    one = certificate_of(answers, "Ada", "Town <1>")
    value, low, high = one.ends("accuracy")
    assert low < value < high and one.if_wrong <= value <= one.if_right and one.not_sure + one.points == 80
    assert one.area == pytest.approx(HEIGHT * (WIDTH - 1) * 4, rel=0.002) and one.in_metres
    assert one.mapped.sum() == pytest.approx(1) and sum(one.ends("area", k)[0] for k in range(3)) == pytest.approx(1)
    assert one.counts.sum() == one.points
    text = certificate_html(one)
    assert "Town &lt;1&gt;" in text and "Bo &amp; Co" in text and "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert f"About {share_words(value)} of this map" in text and "Cohen" in text
    assert f"{share_words(low, 1)} to {share_words(high, 1)}" in text
    table = points_csv(answers, "Ada").splitlines()
    assert len(table) == 81 and table[0].endswith("answer of Ada,answer of Bo & Co") and "'=Lake" in "\n".join(table)
    (answers.folder / "points.geojson").write_text(points_geojson(answers, "Ada"), encoding="utf-8")
    features = read_json(answers.folder / "points.geojson")["features"]
    assert len(features) == 80
    longitude, latitude = features[0]["geometry"]["coordinates"]
    assert 56 < longitude < 58 and 24 < latitude < 25


def test_twice_as_wide_needs_four_times_the_points():
    assert more_points(0.04, 100) == 300 and more_points(0.02, 100) == 0 and more_points(0.01, 100) == 0
