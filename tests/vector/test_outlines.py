"""Outlines drawn, cut, joined and moved by hand: by hand-worked squares, and that no layer gets a gap or an overlap."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

from core.classes import DUBAI
from core.errors import InputError, SettingsError
from core.files import write_json
from core.geo import GeoRef
from core.vector.editing import applying
from core.vector.editing.applying import apply, replay
from core.vector.editing.asked import corrected_by
from core.vector.editing.burning import burn
from core.vector.editing.displayed import drawn_line, drawn_polygon, on_map, redrawn
from core.vector.editing.log import Corrections
from core.vector.vectorize import vectorize

# Pixels of 1 m; x from 1000, y from 2012 downwards. Building | Land, each 6 wide and 8 high, over a Road 4 high.
UTM = GeoRef(Affine(1, 0, 1000, 0, -1, 2012), CRS.from_epsg(32640))
IDS = np.full((12, 12), 1, np.uint8)
IDS[:, :6], IDS[8:] = 0, 2


@pytest.fixture
def layer():
    sure = np.where(IDS == 1, 0.4, 0.8).astype(np.float32)
    return vectorize(IDS, geo=UTM, scheme=DUBAI, simplify=0, min_area=0, confidence=sure).layer


@pytest.fixture
def ids(layer):
    return {name: int(one) for name, one in zip(layer.frame["class_name"], layer.frame["id"], strict=True)}


def box(left, top, right, bottom):
    """A square by columns and rows of pixels."""
    return shapely.box(1000 + left, 2012 - bottom, 1000 + right, 2012 - top)


def line(*points):
    return shapely.LineString([(1000 + col, 2012 - row) for col, row in points])


def areas(layer):
    return dict(zip(layer.frame["id"].tolist(), layer.frame.geometry.area.round(6).tolist(), strict=True))


def sound(layer, whole=144.0):
    """That the layer is a coverage: valid polygons, no gaps, no overlaps, borders of the same points."""
    shapes = layer.frame.geometry.to_numpy()
    assert shapely.is_valid(shapes).all() and shapely.coverage_is_valid(shapes) and set(shapely.get_type_id(shapes)) <= {3}
    assert shapely.area(shapes).sum() == pytest.approx(whole) and shapely.union_all(shapes).area == pytest.approx(whole)
    assert layer.frame["id"].is_unique
    return layer


def test_a_drawn_polygon_takes_its_place_from_its_neighbours(layer, ids):
    """4 x 4 over the corner where all three meet: 2 x 2 of Building and Land each, 4 x 2 of Road."""
    fresh = sound(apply(layer, Corrections().draw(box(4, 6, 8, 10), "Water")))
    new = max(ids.values()) + 1
    assert areas(fresh) == {ids["Building"]: 44, ids["Land"]: 44, ids["Road"]: 40, new: 16}
    row = fresh.frame.set_index("id").loc[new]
    assert (row.class_name, bool(row.corrected), bool(row.on_edge)) == ("Water", True, False) and np.isnan(row.mean_confidence)
    assert row[layer.area_column] == pytest.approx(16, rel=0.01) and fresh.frame["corrected"].sum() == 1
    assert fresh.frame.set_index("id").loc[ids["Land"]].mean_confidence == pytest.approx(0.4, abs=0.01)
    assert fresh.made["corrections"] == ["Water drawn"]


def test_one_that_cuts_a_polygon_in_two_leaves_both_parts_and_one_that_covers_it_leaves_none(layer, ids):
    """A strip across the Road from column 4 to 5: 16 on the left keep no id, 28 on the right do. And a square over all of Land."""
    fresh = sound(apply(layer, Corrections().draw(box(4, 8, 5, 12), "Water")))
    assert sorted(fresh.frame.geometry.area.round(6)) == [4, 16, 28, 48, 48] and areas(fresh)[ids["Road"]] == 28
    parts = fresh.frame[fresh.frame["class_name"] == "Road"]
    assert len(parts) == 2 and not parts["corrected"].any()
    over = sound(apply(layer, Corrections().draw(box(6, 0, 12, 8), "Vegetation")))
    assert ids["Land"] not in set(over.frame["id"]) and len(over.frame) == 3


def test_what_is_drawn_over_the_rim_ends_there_and_near_a_border_lies_on_it(layer, ids):
    fresh = sound(apply(layer, Corrections().draw(box(9, -3, 20, 8.1), "Water")))
    assert areas(fresh)[max(ids.values()) + 1] == 24 and areas(fresh)[ids["Road"]] == 48
    assert bool(fresh.frame.set_index("id").loc[max(ids.values()) + 1].on_edge)
    with pytest.raises(SettingsError, match="outside the scene"):
        apply(layer, Corrections().draw(box(20, 20, 30, 30), "Water"))


def test_a_line_splits_a_polygon_and_its_neighbours_get_the_new_corner(layer, ids):
    fresh = sound(apply(layer, Corrections().split(ids["Road"], line((4, 7), (4, 13)))))
    assert areas(fresh) == {ids["Building"]: 48, ids["Land"]: 48, ids["Road"]: 32, max(ids.values()) + 1: 16}
    assert (fresh.frame["class_name"] == "Road").sum() == 2 and not fresh.frame["corrected"].any()
    twice = sound(apply(layer, Corrections().split(ids["Road"], line((4, 7), (4, 13))).reclass(max(ids.values()) + 1, "Water")))
    assert twice.frame.set_index("id").loc[max(ids.values()) + 1, "class_name"] == "Water"
    with pytest.raises(SettingsError, match="does not cut"):
        apply(layer, Corrections().split(ids["Road"], line((4, 7), (4, 10))))


def test_a_piece_is_cut_out_inside_and_at_a_border_that_it_nearly_follows(layer, ids):
    """Inside the Road 2 x 2; at its rim 3 x 2, whose side lies 0.1 pixels beside the border; and over the whole of it: no cut."""
    new = max(ids.values()) + 1
    ring = line((2, 9), (4, 9), (4, 11), (2, 11), (2, 9))
    inside = sound(apply(layer, Corrections().split(ids["Road"], ring)))
    assert areas(inside)[ids["Road"]] == 44 and areas(inside)[new] == 4 and len(inside.frame) == 4
    beside = line((1, 8.1), (4, 7.9), (4, 10), (1, 10), (1, 8.1))
    edge = sound(apply(layer, Corrections().split(ids["Road"], beside)))
    assert areas(edge)[new] == 6 and len(edge.frame) == 4
    assert edge.frame.set_index("id").loc[new, layer.area_column] == pytest.approx(6, rel=0.01)
    with pytest.raises(SettingsError, match="a piece that does not cut"):
        apply(layer, Corrections().split(ids["Road"], line((-1, 7), (13, 7), (13, 13), (-1, 13), (-1, 7))))


def test_a_line_that_ends_just_before_the_border_cuts(layer, ids):
    fresh = sound(apply(layer, Corrections().split(ids["Road"], line((4, 8.1), (4, 11.9)))))
    assert areas(fresh)[ids["Road"]] == 32 and len(fresh.frame) == 4


def test_only_changed_outlines_are_measured_anew(layer, ids):
    """A measure that was put wrong on purpose stays on the one that a step did not touch, also where it gets another class."""
    layer = replace(layer, frame=layer.frame.assign(**{layer.area_column: 7.0}))
    fresh = apply(layer, Corrections().reclass(ids["Road"], "Water").delete(ids["Building"]))
    told = dict(zip(fresh.frame["id"].tolist(), fresh.frame[layer.area_column].round(1).tolist(), strict=True))
    assert told[ids["Road"]] == 7 and told[ids["Land"]] == pytest.approx(96, rel=0.01)


def test_neighbours_merge_into_the_largest_and_strangers_do_not(layer, ids):
    log = Corrections().split(ids["Road"], line((4, 7), (4, 13))).split(ids["Building"], line((-1, 2), (7, 2)))
    cut = sound(apply(layer, log))
    small = cut.frame[cut.frame.geometry.area.round() == 12]["id"].iloc[0]
    fresh = sound(apply(layer, log.merge([ids["Building"], small])))
    assert areas(fresh)[ids["Building"]] == 48
    mixed = sound(apply(layer, Corrections().merge([ids["Land"], ids["Road"]])))
    # Both 48: the first of equals keeps its class; 0.4 and 0.8 on the same area.
    assert areas(mixed)[ids["Land"]] == 96 and mixed.frame.set_index("id").loc[ids["Land"]].mean_confidence == pytest.approx(0.6, abs=0.01)
    road = cut.frame[(cut.frame["class_name"] == "Road") & (cut.frame.geometry.area.round() == 16)]["id"].iloc[0]
    with pytest.raises(SettingsError, match="do not touch"):
        apply(layer, log.merge([road, ids["Land"]]))


def test_moved_corners_push_neighbours_and_leave_them_what_is_freed(layer, ids):
    """Building 6 x 8 to 8 x 6: takes 2 x 6 of Land, and leaves 6 x 2 to the Road, with which it shares 6 of border, not to Land (2)."""
    fresh = sound(apply(layer, Corrections().reshape(ids["Building"], box(0, 0, 8, 6))))
    assert areas(fresh) == {ids["Building"]: 48, ids["Land"]: 36, ids["Road"]: 60}
    rows = fresh.frame.set_index("id")
    assert rows.loc[ids["Road"]].corrected and not rows.loc[ids["Land"]].corrected
    hole = apply(layer, Corrections().delete([ids["Land"], ids["Road"]], fill="hole").reshape(ids["Building"], box(0, 0, 4, 8)))
    sound(hole, whole=32)


def test_many_get_another_class_at_once(layer, ids):
    fresh = sound(apply(layer, Corrections().reclass([ids["Land"], ids["Road"]], "Water")))
    assert (fresh.frame["class_name"] == "Water").sum() == 2


def test_all_that_the_maps_filter_leaves_gets_another_class(layer, ids):
    """Land is 0.4 sure, the others 0.8, and each is 48 m2; a limit takes those on it, and an unknown confidence passes."""
    everything = {"hidden": [], "search": "", "from": None, "to": None, "sure": 0}

    def hit(**limits):
        asked = {"kind": "reclass", "filter": everything | limits, "class": 3}
        (step,) = corrected_by(Corrections(), asked, layer).done
        return {name for name, one in ids.items() if one in step.ids}

    assert hit() == {"Building", "Land", "Road"} and hit(hidden=[1]) == {"Building", "Road"}
    assert hit(sure=50) == {"Building", "Road"} and hit(to=49, search=str(ids["Land"])) == {"Land"}
    with pytest.raises(SettingsError, match="no polygon chosen"):
        hit(**{"from": 49})


def test_undo_brings_the_layer_back_and_redo_the_same_ids(layer, ids):
    log = Corrections().draw(box(4, 6, 8, 10), "Water").split(ids["Road"], line((6, 7), (6, 13))).merge([ids["Building"], ids["Land"]])
    fresh, start = apply(layer, log), apply(layer, Corrections())
    back = apply(layer, log.undo().undo().undo())
    assert back.frame.equals(start.frame)
    assert apply(layer, log.undo().undo().redo().redo()).frame.equals(fresh.frame)


def test_the_log_is_read_as_it_was_written_and_old_ones_open(layer, ids, tmp_path):
    log = (
        Corrections()
        .draw(box(1 / 3, 2, 5, 4), "Water")
        .split(3, line((1, 1), (2, 7 / 9)))
        .merge([1, 2])
        .reshape(1, box(0, 0, 8, 6))
        .delete(2)
    )
    path = log.save(tmp_path / "log.json")
    assert Corrections.load(path) == log
    assert log.describe() == [
        "Water drawn",
        "polygon 3 split",
        "2 polygons merged",
        "polygon 1 reshaped",
        "polygon 2 deleted, merged into the neighbour",
    ]
    write_json(path, {"corrections": [{"ids": [1], "class_name": "Water", "fill": "merge"}], "undone": []})
    assert Corrections.load(path) == Corrections().reclass(1, "Water")
    for wrong in (
        {"kind": "bend", "shape": None},
        {"kind": "draw", "shape": "POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))"},
        {"kind": "draw", "shape": None},
        {"kind": "split", "shape": "POINT (1 1)"},
        {"kind": "reshape", "shape": "no"},
        {"kind": "merge", "shape": "POLYGON ((0 0, 1 1, 1 0, 0 0))"},
    ):
        write_json(path, {"corrections": [{"ids": [1], "class_name": "Water", "fill": "merge", **wrong}], "undone": []})
        with pytest.raises(InputError, match="holds no corrections"):
            Corrections.load(path)


@pytest.mark.parametrize(
    "step",
    [
        lambda log: log.draw(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "Water"),
        lambda log: log.draw(shapely.Point(0, 0), "Water"),
        lambda log: log.draw(shapely.Polygon(), "Water"),
        lambda log: log.split(1, shapely.LineString([(0, 0), (0, np.inf)])),
        lambda log: log.split(1, shapely.LineString([(0, 0), (0, 0)])),
        lambda log: log.merge([1, 1]),
        lambda log: log.reshape([], shapely.box(0, 0, 1, 1)),
    ],
)
def test_outlines_that_are_none_are_refused_before_they_are_in_the_log(step):
    with pytest.raises(SettingsError):
        step(Corrections())


def test_steps_on_what_is_not_there_are_one_clear_line(layer, ids):
    for log in (
        Corrections().split(99, line((0, 0), (1, 1))),
        Corrections().reshape(99, box(0, 0, 1, 1)),
        Corrections().draw(box(0, 0, 1, 1), "Sea"),
    ):
        with pytest.raises(SettingsError, match=r"not in the layer|no class"):
            apply(layer, log)


def test_the_mask_holds_what_was_drawn_and_leaves_the_rest_to_the_pixel(layer, ids, tmp_path):
    base = IDS.copy()
    base[0, 0], base[11, 11] = 4, 3  # stains that the layer does not show
    log = Corrections().draw(box(4, 6, 8, 10), "Water").reshape(ids["Building"], box(0, 0, 4, 8))
    expected = base.copy()
    expected[:8, 4:6] = 1  # freed by the building: to Land, with which it shares more border than with the Road
    expected[:8, :4], expected[:8, 6:] = 0, 1
    expected[6:10, 4:8] = 4
    with rasterio.open(burn(layer, log, tmp_path / "mask.tif", base=base)) as file:
        np.testing.assert_array_equal(file.read(1), expected)


@pytest.mark.parametrize(("seed", "simplify"), [(0, 0), (1, 1.0), (2, 1.0)])
def test_random_steps_on_random_layers_leave_a_coverage(seed, simplify):
    rng = np.random.default_rng(seed)
    ids = np.kron(rng.integers(0, 4, (8, 8)), np.ones((5, 5))).astype(np.uint8)
    layer = vectorize(ids, geo=UTM, scheme=DUBAI, simplify=simplify, min_area=0).layer
    fresh, log, done = layer, Corrections(), []
    for number in range(15):
        shapes, names = fresh.frame.geometry.to_numpy(), fresh.frame["id"].to_numpy()
        one = int(rng.integers(len(names)))
        corners = np.array([1000, 2012]) + [1, -1] * rng.uniform(0, 40, (4, 2))
        hull, cut = shapely.MultiPoint(corners).convex_hull, shapely.LineString(corners[:2])
        beside = names[shapely.length(shapely.intersection(shapely.boundary(shapes), shapes[one].boundary)) > 0][:3]
        steps = {
            "draw": (
                log.draw,
                (
                    hull,
                    DUBAI.names[number % 5],
                ),
            ),
            "split": (
                log.split,
                (
                    names[one],
                    cut,
                ),
            ),
            "merge": (log.merge, ([names[one], *beside],)),
            "reshape": (
                log.reshape,
                (
                    names[one],
                    hull,
                ),
            ),
            "delete": (log.delete, (names[one],)),
        }
        kind = list(steps)[number % 5]
        try:
            change, given = steps[kind]
            after = change(*given)
            fresh = sound(apply(layer, after), whole=1600)
        except SettingsError:
            continue
        log, done = after, [*done, kind]
    assert len(done) > 8 and {"draw", "merge", "reshape", "delete"} <= set(done)


# ---- outlines that come back from a map ----

DEGREES = GeoRef(Affine(1e-5, 0, 55.2, 0, -1e-5, 25.1), CRS.from_epsg(4326))
LONG = GeoRef(Affine(3000, 0, 400000, 0, -3000, 7000000), CRS.from_epsg(32633))
PLACES = {"UTM": UTM, "pixels": GeoRef.pixels(), "degrees": DEGREES, "long sides": LONG}


@pytest.fixture(params=PLACES)
def winding(request):
    """A disc with a hole over three quarters, whose corners are odd numbers, and its rings as a map has them."""
    geo = PLACES[request.param]
    shape = shapely.difference(shapely.Point(6, 6).buffer(5.3), shapely.Point(6.1, 5.7).buffer(2.1))
    shape = shapely.transform(shape, lambda xy: np.column_stack(geo.transform * (xy[:, 0], xy[:, 1])))
    there = on_map(np.array([shape]), geo)[0]
    return geo, shape, [list(ring.coords)[:-1] for ring in (there.exterior, *there.interiors)]


def test_what_was_not_moved_on_a_map_keeps_every_digit(winding):
    geo, shape, rings = winding
    assert redrawn(rings, shape, geo).equals_exact(shape, 0)
    # And the map rounds: without the exact ones, corners would be other numbers.
    assert not drawn_polygon(rings, geo).equals_exact(shape, 0)


def test_of_an_outline_only_the_corner_that_was_moved_differs(winding):
    geo, shape, rings = winding
    x, y = rings[1][3]
    toward = np.mean(rings[1], axis=0)
    rings[1][3] = ((x + toward[0]) / 2, (y + toward[1]) / 2)
    fresh = redrawn(rings, shape, geo)
    gone, new = (
        {tuple(point) for point in shapely.get_coordinates(one)} - {tuple(point) for point in shapely.get_coordinates(other)}
        for one, other in ((shape, fresh), (fresh, shape))
    )
    assert len(gone) == len(new) == 1 and fresh.is_valid and len(fresh.interiors) == 1
    # Back in pixels it lies half-way between where it was and the middle of the hole.
    (was,), (at,) = ([~geo.transform * point for point in points] for points in (gone, new))
    assert at == pytest.approx(np.mean([was, (6.1, 5.7)], axis=0), abs=0.02)


def test_corners_that_are_taken_away_or_added_leave_the_others_alone(winding):
    geo, shape, rings = winding
    own = list(shape.interiors[0].coords)
    del rings[1][5]
    assert len(redrawn(rings, shape, geo).interiors[0].coords) == len(own) - 1
    (a, b), (c, d) = rings[1][0], rings[1][1]
    rings[1].insert(1, ((a + c) / 2 * (1 + 1e-7), (b + d) / 2))
    kept = set(redrawn(rings, shape, geo).interiors[0].coords)
    assert len(kept - set(own)) == 1 and len(set(own) - kept) == 1


def test_a_drawn_line_and_what_has_too_few_corners():
    assert list(drawn_line([(1, -2), (3, -4)], GeoRef.pixels()).coords) == [(1, -2), (3, -4)]
    for bad in ([], [[(0, 0), (1, 1)]]):
        with pytest.raises(SettingsError, match="fewer than three"):
            drawn_polygon(bad, UTM)
    with pytest.raises(SettingsError, match="one point"):
        drawn_line([(0, 0)], UTM)


def test_a_moved_corner_changes_no_other_corner_of_the_layer():
    """Smooth borders, none on whole numbers: one corner of a shared border is moved by 0.4 m, and all others are the same to the bit."""
    rows, cols = np.mgrid[:60, :60]
    ids = (np.hypot(rows - 30, cols - 30) < 17 + 4 * np.sin(np.arctan2(rows - 30, cols - 30) * 5)).astype(np.uint8)
    layer = vectorize(ids, geo=UTM, scheme=DUBAI, simplify=1, smooth=2, min_area=0).layer
    inner = layer.frame[layer.frame["class_id"] == 1].iloc[0]
    corners = np.array(inner.geometry.exterior.coords)[:-1]
    moved = corners.copy()
    moved[7] += (0.4, 0.4)
    fresh = apply(layer, Corrections().reshape(int(inner["id"]), shapely.Polygon(moved)))
    for old, new in zip(layer.frame.geometry, fresh.frame.geometry, strict=True):
        before, after = ({tuple(point) for point in shapely.get_coordinates(one)} for one in (old, new))
        assert before - after == {tuple(corners[7])} and after - before == {tuple(moved[7])}
    sound(fresh, shapely.area(layer.frame.geometry.to_numpy()).sum())


def test_a_closed_line_cuts_a_piece_out(layer, ids):
    ring = shapely.LineString(box(8, 2, 10, 4).exterior)
    fresh = sound(apply(layer, Corrections().split(ids["Land"], ring)))
    assert sorted(fresh.frame[fresh.frame["class_name"] == "Land"].geometry.area.round(6)) == [4, 44] and areas(fresh)[ids["Land"]] == 44


def test_a_next_step_needs_no_other_step_again(layer, ids, monkeypatch):
    steps = Corrections().draw(box(4, 6, 8, 10), "Water").delete(ids["Land"])
    first = replay(layer, steps)
    done, todo = applying._do, []
    monkeypatch.setattr(applying, "_do", lambda table, step, scheme: (todo.append(step), done(table, step, scheme)))
    more = steps.reclass(ids["Road"], "Vegetation").draw(box(0, 0, 2, 2), "Road")
    fresh = replay(layer, more, [replay(layer, Corrections()), first])
    assert todo == list(more.done[2:])
    assert fresh.corrected.frame.equals(apply(layer, more).frame)  # ids too: those of what is gone are not given again
    assert first.corrected.frame.equals(apply(layer, steps).frame)  # which the later steps left alone
    todo.clear()
    replay(layer, more.undo(), [fresh])
    assert todo == list(more.done[:3])
