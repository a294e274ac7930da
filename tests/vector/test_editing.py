"""Corrections: the log, its undo, the corrected layer, and the mask it is burnt into."""

from __future__ import annotations

import geopandas.testing
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

from core.classes import DUBAI
from core.datasets.masks import writing
from core.errors import InputError, SettingsError
from core.geo import GeoRef
from core.vector.editing.applying import apply
from core.vector.editing.burning import burn
from core.vector.editing.log import Corrections
from core.vector.formats.export import export, read_back
from core.vector.vectorize import vectorize

UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))

#  0 0 0 1 1 1
#  0 0 0 1 1 1     Building | Land, and below a Road 2 rows high, a pond of Water in the Land
#  2 2 2 2 2 2
#  2 2 2 2 2 2
IDS = np.kron(np.array([[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 4, 1], [2, 2, 2, 2, 2, 2], [2, 2, 2, 2, 2, 2]]), np.ones((4, 4))).astype(np.uint8)


@pytest.fixture
def layer():
    sure = np.where(IDS == 4, 0.2, 0.8).astype(np.float32)
    return vectorize(IDS, geo=UTM, scheme=DUBAI, simplify=0, min_area=0, confidence=sure).layer


def id_of(layer, name):
    return int(layer.frame.set_index("class_name").loc[name, "id"])


def test_another_class_keeps_the_place_and_forgets_the_confidence(layer):
    road = id_of(layer, "Road")
    fresh = apply(layer, Corrections().reclass(road, "Vegetation"))
    row = fresh.frame.set_index("id").loc[road]
    assert (row.class_name, row.class_id, row.corrected) == ("Vegetation", 3, True)
    assert np.isnan(row.mean_confidence) and row.geometry.equals(layer.frame.set_index("id").loc[road].geometry)
    assert fresh.frame.corrected.sum() == 1
    assert fresh.made["corrections"] == [f"polygon {road} to Vegetation"]


def test_what_is_deleted_goes_to_the_neighbour_with_most_border(layer):
    pond, land, road = (id_of(layer, name) for name in ("Water", "Land", "Road"))
    fresh = apply(layer, Corrections().delete(pond))
    row = fresh.frame.set_index("id").loc[land]
    # The pond of 16 pixels has three sides of 4 pixels on land and one on the road: 80 + 16 pixels of 0.25 m2.
    assert row.area_m2 == pytest.approx(96 * 0.25)
    assert row.mean_confidence == pytest.approx((80 * 0.8 + 16 * 0.2) / 96)
    assert pond not in set(fresh.frame.id) and road in set(fresh.frame.id)
    assert shapely.union_all(fresh.frame.geometry).area == pytest.approx(shapely.union_all(layer.frame.geometry).area)
    assert shapely.coverage_is_valid(fresh.frame.geometry.to_numpy())


def test_a_group_goes_to_those_that_stay_and_a_hole_stays_a_hole(layer):
    ids = [id_of(layer, name) for name in ("Water", "Land", "Building")]
    fresh = apply(layer, Corrections().delete(ids))
    assert fresh.frame.class_name.tolist() == ["Road"]
    assert fresh.frame.area_m2.iloc[0] == pytest.approx(IDS.size * 0.25)
    holed = apply(layer, Corrections().delete(ids, fill="hole"))
    assert holed.frame.class_name.tolist() == ["Road"] and holed.frame.area_m2.iloc[0] == pytest.approx((IDS == 2).sum() * 0.25)
    everything = apply(layer, Corrections().delete(layer.frame.id))
    assert len(everything.frame) == 0


def test_undo_restores_exactly_and_redo_comes_back(layer):
    start = apply(layer, Corrections())
    log = Corrections().reclass(id_of(layer, "Road"), "Water").delete(id_of(layer, "Water"))
    undone = log.undo().undo()
    geopandas.testing.assert_geodataframe_equal(apply(layer, undone).frame, start.frame)
    geopandas.testing.assert_geodataframe_equal(start.frame.drop(columns="corrected"), layer.frame)
    assert undone.redo().redo() == log and not undone.can_undo and undone.can_redo
    assert undone.undo() == undone and log.redo() == log
    # A new step forgets what was undone.
    assert not log.undo().reclass(1, "Land").can_redo


def test_the_log_is_read_as_it_was_written(layer, tmp_path):
    path = tmp_path / "corrections.json"
    assert Corrections.load(path) == Corrections()
    log = Corrections().reclass([3, 1, 3], "Water").delete(2, fill="hole").delete(4).undo()
    assert Corrections.load(log.save(path)) == log
    assert log.describe() == ["2 polygons to Water", "polygon 2 deleted, left as a hole"]
    path.write_text('{"corrections": 3}')
    with pytest.raises(InputError, match="holds no corrections"):
        Corrections.load(path)


def test_steps_that_do_not_fit_are_one_clear_line(layer):
    with pytest.raises(SettingsError, match="not in the layer"):
        apply(layer, Corrections().delete(99))
    with pytest.raises(SettingsError, match="not in the layer"):
        apply(layer, Corrections().delete(1).reclass(1, "Land"))
    with pytest.raises(SettingsError, match="no class"):
        apply(layer, Corrections().reclass(1, "Sea"))
    with pytest.raises(SettingsError, match="fill"):
        Corrections().delete(1, fill="water")
    with pytest.raises(SettingsError, match="no polygon"):
        Corrections().reclass([], "Land")


def test_the_burnt_mask_equals_the_one_by_hand(layer, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "BAND_PIXELS", 24 * 5)  # several bands
    pond, building, road = (id_of(layer, name) for name in ("Water", "Building", "Road"))
    log = Corrections().reclass(road, "Vegetation").delete(pond).delete(building, fill="hole")
    expected = IDS.copy()
    expected[IDS == 2], expected[IDS == 4], expected[IDS == 0] = 3, 1, 255
    stained = IDS.copy()
    stained[0, 20] = 4  # in the land, which has taken the pond in and is painted whole
    stained[0, 2] = 3  # in the building, of which a hole is left
    for base in (None, IDS, stained):
        with rasterio.open(burn(layer, log, tmp_path / "mask.tif", base=base)) as file:
            np.testing.assert_array_equal(file.read(1), expected)
            assert (file.crs.to_epsg(), file.transform, file.nodata) == (32640, UTM.transform, 255)
    with rasterio.open(burn(layer, Corrections().reclass(road, "Water"), tmp_path / "mask.tif", base=stained)) as file:
        np.testing.assert_array_equal(file.read(1), np.where(IDS == 2, 4, stained))
    with pytest.raises(SettingsError, match="labels of 3 x 3"):
        burn(layer, log, tmp_path / "other.tif", base=np.zeros((3, 3), np.uint8))


def test_a_corrected_layer_is_exported(layer, tmp_path):
    fresh = apply(layer, Corrections().delete(id_of(layer, "Water")))
    for suffix in (".gpkg", ".shp.zip", ".kml", ".csv"):
        assert read_back(export(fresh, tmp_path / f"corrected{suffix}")) == len(fresh.frame)
