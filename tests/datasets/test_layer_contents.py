"""A vector file under a name that is not its own is not handed to GDAL."""

import zipfile

import geopandas as gpd
import pytest
from shapely.geometry import box

from core.datasets.layer_contents import refuse_other_content
from core.errors import MaskError

TEXTS = {
    "a virtual layer": '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/a</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>',
    "a server": "<OGRWFSDataSource><URL>http://127.0.0.1:9/wfs</URL></OGRWFSDataSource>",
    "a command": '{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline read /etc/passwd"}',
    "a table": "a;b\n1;2\n",
    "nothing": "",
}


@pytest.mark.parametrize("suffix", [".geojson", ".json", ".gpkg", ".shp", ".fgb", ".kml", ".shp.zip"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_that_leads_elsewhere_is_no_layer(tmp_path, suffix, text):
    path = tmp_path / f"labels{suffix}"
    path.write_text(text)
    with pytest.raises(MaskError, match="does not hold what its name says"):
        refuse_other_content(path)


def test_a_zip_holds_the_parts_of_a_shapefile_and_nothing_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.shp.zip", "w") as archive:
        archive.writestr("a.shp", b"")
        archive.writestr("b.vrt", TEXTS["a virtual layer"])
    with pytest.raises(MaskError, match=r"a.shp.zip holds b.vrt"):
        refuse_other_content(tmp_path / "a.shp.zip")


@pytest.mark.parametrize("suffix", [".geojson", ".json", ".gpkg", ".shp", ".fgb", ".kml"])
def test_what_gis_programs_write_is_taken(tmp_path, suffix):
    frame = gpd.GeoDataFrame({"class": ["a"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:4326")
    path = tmp_path / f"labels{suffix}"
    frame.to_file(path, driver={".json": "GeoJSON", ".kml": "KML"}.get(suffix))
    refuse_other_content(path)
    path.rename(tmp_path / "other.gpkg") if suffix != ".gpkg" else path.rename(tmp_path / "other.fgb")
    other = tmp_path / ("other.gpkg" if suffix != ".gpkg" else "other.fgb")
    with pytest.raises(MaskError):
        refuse_other_content(other)
