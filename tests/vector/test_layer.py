"""The types of a polygon layer, and a layer read back from the GeoPackage it was written to."""

import subprocess
import sys

import geopandas.testing
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from core.classes import DUBAI
from core.errors import ExportError
from core.geo import GeoRef
from core.vector.formats.content import rounded
from core.vector.formats.export import export
from core.vector.layer import read_layer
from core.vector.vectorize import vectorize

UTM = GeoRef(Affine(0.5, 0, 400_000, 0, -0.5, 2_800_000), CRS.from_epsg(32640))


def town(geo):
    ids = np.random.default_rng(4).integers(0, 3, (9, 11)).repeat(5, 0).repeat(5, 1).astype(np.uint8)
    return vectorize(ids, geo=geo, scheme=DUBAI, confidence=np.full(ids.shape, 0.75, np.float32)).layer


@pytest.mark.parametrize("geo", [UTM, GeoRef.pixels()], ids=["utm", "pixels"])
def test_a_geopackage_reads_back_as_the_layer_it_was_written_from(tmp_path, geo):
    layer = town(geo)
    read = read_layer(export(layer, tmp_path / "town.gpkg"), scheme=DUBAI, geo=geo)
    assert read.units == layer.units and read.made == layer.made and read.area_column == layer.area_column
    kept = layer.frame.assign(**rounded(layer.frame.drop(columns="geometry")))  # as files keep numbers
    geopandas.testing.assert_geodataframe_equal(read.frame, kept, check_dtype=False, check_crs=geo.crs is not None)


def test_a_layer_in_another_crs_is_not_taken_for_the_one_of_the_raster(tmp_path):
    path = export(town(UTM), tmp_path / "town.gpkg", crs="EPSG:3857")
    with pytest.raises(ExportError, match="as its raster"):
        read_layer(path, scheme=DUBAI, geo=UTM)


def test_what_is_no_layer_is_said_in_one_line(tmp_path):
    (tmp_path / "not.gpkg").write_text("no database")
    with pytest.raises(ExportError, match="holds no layer of Groundline"):
        read_layer(tmp_path / "not.gpkg", scheme=DUBAI, geo=UTM)


def test_reading_and_exporting_do_not_load_what_traces():
    code = "import sys, core.vector.formats.export; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
