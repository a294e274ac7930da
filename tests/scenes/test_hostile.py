"""Files that are not what they are called, lead elsewhere, or claim more than a machine has: refused in one line before they are read."""

import io
import tracemalloc

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin

from core.errors import InputError, SceneError
from core.hdf5 import MOST_PIECE_BYTES, open_hdf5_file, refuse_wrong
from core.scenes import raster_files
from core.scenes.opening import open_scene
from core.scenes.scene import Window
from tests.helpers.datasets import save

PLACE = {"crs": "EPSG:32640", "transform": from_origin(0, 0, 1, 1)}


@pytest.fixture
def secret(tmp_path):
    """A raster outside the folder that scenes are in."""
    return save(tmp_path / "secret.tif", np.full((8, 8), 42, np.uint8), **PLACE)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sent").mkdir()
    return tmp_path / "sent"


def virtual(path, source, *, kind="VRTRasterBand", relative=0):
    """A virtual raster of 8 x 8 pixels that shows a file, whatever the path is called."""
    sub = "" if kind == "VRTRasterBand" else f' subClass="{kind}"'
    name = f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
    inner = f"<SimpleSource>{name}<SourceBand>1</SourceBand></SimpleSource>" if not sub else f"{name}<ByteOrder>LSB</ByteOrder>"
    band = f'<VRTRasterBand dataType="Byte" band="1"{sub}>{inner}</VRTRasterBand>'
    path.write_text(f'<VRTDataset rasterXSize="8" rasterYSize="8">{band}</VRTDataset>')
    return path


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".img", ".asc"])
def test_a_virtual_raster_under_another_name_is_not_opened(folder, secret, suffix):
    with pytest.raises(SceneError, match="is a text that names other files or a server, not an image"):
        open_scene(virtual(folder / f"scene{suffix}", secret))


@pytest.mark.parametrize(
    "text",
    [
        "<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/${z}/${x}/${y}.png</ServerUrl></Service></GDAL_WMS>",
        "<WMTS>http://127.0.0.1:9/capabilities.xml</WMTS>",
        "<WCS_GDAL><ServiceURL>http://127.0.0.1:9/wcs?</ServiceURL><CoverageName>x</CoverageName></WCS_GDAL>",
        '{"type": "FeatureCollection", "stac_version": "1.0.0", "features": []}',
        "\n <GDALTileIndexDataset><IndexDataset>/etc/passwd</IndexDataset></GDALTileIndexDataset>",
    ],
)
def test_descriptions_of_servers_are_no_pictures(folder, text):
    (folder / "scene.png").write_text(text)
    with pytest.raises(SceneError, match="is a text that names other files or a server"):
        open_scene(folder / "scene.png")


@pytest.mark.parametrize("kind", ["VRTRasterBand", "VRTRawRasterBand"])
@pytest.mark.parametrize("way", ["absolute", "above", "link", "vsi", "url", "inline"])
def test_a_virtual_raster_leads_to_files_beside_it_only(folder, secret, kind, way):
    (folder / "link.tif").symlink_to(secret)
    source = {
        "absolute": secret,
        "above": "../secret.tif",
        "link": "link.tif",
        "vsi": "/vsicurl/http://127.0.0.1:9/a.tif",
        "url": "http://127.0.0.1:9/a.tif",
        "inline": "&lt;VRTDataset rasterXSize='8' rasterYSize='8'/&gt;",
    }[way]
    with pytest.raises(SceneError, match="which does not lie beside it"):
        open_scene(virtual(folder / "scene.vrt", source, kind=kind, relative=1))


def test_a_virtual_raster_of_a_text_is_not_opened(folder, secret):
    virtual(folder / "inner.tif", secret)
    with pytest.raises(SceneError, match="inner.tif, which leads to further files"):
        open_scene(virtual(folder / "scene.vrt", "inner.tif", relative=1))


@pytest.mark.parametrize("text", ["", "no xml", '<!DOCTYPE a [<!ENTITY b "c">]><VRTDataset/>', "<VRTDataset"])
def test_what_is_no_virtual_raster_is_said_to_be_none(folder, text):
    (folder / "scene.vrt").write_text(text)
    with pytest.raises(SceneError, match="no virtual raster|no image that can be opened"):
        open_scene(folder / "scene.vrt")


def test_virtual_rasters_of_files_in_their_folder_are_opened(folder):
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    (folder / "tiles").mkdir()
    save(folder / "tiles" / "a.tif", pixels, **PLACE)
    rasterio.shutil.copy(folder / "tiles" / "a.tif", folder / "made.vrt", driver="VRT")
    for path in (folder / "made.vrt", virtual(folder / "scene.vrt", "tiles/a.tif", relative=1)):
        np.testing.assert_array_equal(open_scene(path).read()[..., 0], pixels)


@pytest.mark.parametrize("side", [".ovr", ".msk"])
def test_a_text_beside_an_image_is_no_overview(folder, secret, side):
    save(folder / "scene.tif", np.zeros((8, 8), np.uint8), **PLACE)
    virtual(folder / f"scene.tif{side}", secret)
    with pytest.raises(SceneError, match=rf"scene.tif\{side} beside scene.tif leads to another file"):
        open_scene(folder / "scene.tif")


def test_statistics_beside_an_image_name_no_overviews_elsewhere(folder, secret):
    save(folder / "scene.tif", np.zeros((8, 8), np.uint8), **PLACE)
    (folder / "scene.tif.aux.xml").write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{secret}</MDI></Metadata></PAMDataset>'
    )
    with pytest.raises(SceneError, match="aux.xml beside scene.tif leads to another file"):
        open_scene(folder / "scene.tif")


def test_more_bands_than_anybody_has_are_refused_by_their_number(folder):
    with rasterio.open(folder / "scene.tif", "w", driver="GTiff", width=1, height=1, count=65535, dtype="uint8", sparse_ok=True, **PLACE):
        pass
    with pytest.raises(SceneError, match="scene has 65,535 bands|has 65,535 bands"):
        open_scene(folder / "scene.tif")


def test_strips_that_no_machine_can_hold_are_refused_by_their_size(folder):
    size = dict(width=60000, height=60000, count=1, dtype="uint8", tiled=True, blockxsize=60000, blockysize=60000)
    with rasterio.open(folder / "scene.tif", "w", driver="GTiff", sparse_ok=True, compress="deflate", **size, **PLACE):
        pass
    with pytest.raises(SceneError, match=r"pieces of 60,000 x 60,000 pixels, 3.60 GB each"):
        open_scene(folder / "scene.tif")


def test_a_sparse_scene_of_300_000_pixels_a_side_is_read_by_its_windows(folder):
    size = dict(width=300_000, height=300_000, count=1, dtype="uint8", tiled=True, blockxsize=512, blockysize=512)
    with rasterio.open(folder / "scene.tif", "w", driver="GTiff", sparse_ok=True, bigtiff=True, **size, **PLACE):
        pass
    scene = open_scene(folder / "scene.tif")
    assert scene.read(Window(299_000, 299_000, 1000, 1000)).sum() == 0
    assert scene.read(out_shape=(64, 64)).shape == (64, 64, 1)  # in seconds, and not by way of ninety thousand million pixels


def test_no_raster_has_more_pixels_than_the_limit(folder, monkeypatch):
    save(folder / "scene.tif", np.zeros((8, 8), np.uint8), **PLACE)
    monkeypatch.setattr(raster_files, "MOST_PIXELS", 63)
    with pytest.raises(SceneError, match="8 x 8 pixels"):
        open_scene(folder / "scene.tif")


def hdf5(path, fill):
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def external_link(file):
    file["img"] = h5py.ExternalLink("secret.h5", "/img")


def external_group(file):
    file.create_dataset("img", data=np.zeros((8, 8, 3), np.uint8))
    file.create_group("more")["other"] = h5py.ExternalLink("/etc/hostname", "/")


def virtual_data(file):
    layout = h5py.VirtualLayout((8, 8), np.uint8)
    layout[:] = h5py.VirtualSource("secret.h5", "img", (8, 8))
    file.create_virtual_dataset("img", layout)


def raw_bytes_of_a_file(file):
    file.create_dataset("img", (8, 8), np.uint8, external=[("/etc/hostname", 0, 64)])


@pytest.mark.parametrize("fill", [external_link, external_group, virtual_data, raw_bytes_of_a_file])
def test_an_hdf5_file_leads_to_no_other(folder, fill):
    hdf5(folder / "secret.h5", lambda file: file.create_dataset("img", data=np.full((8, 8), 42, np.uint8)))
    with pytest.raises(SceneError, match="another file"):
        open_scene(hdf5(folder / "scene.h5", fill))


def circle(file):
    group = file.create_group("a")
    group["again"] = group


def doubled(file):
    """Two ways at each of thirty levels: a thousand million ways in all."""
    group = file
    for k in range(30):
        inner = group.create_group(f"g{k}")
        group[f"h{k}"] = inner
        group = inner


@pytest.mark.parametrize("fill", [circle, doubled])
def test_groups_that_hold_each_other_are_refused(folder, fill):
    with pytest.raises(InputError, match="has a group in two places"), open_hdf5_file(hdf5(folder / "a.h5", fill)):
        pass


def test_a_chunk_that_grows_beyond_all_measure_is_refused_before_it_is_unpacked(folder):
    side = 40_000

    def fill(file):
        file.create_dataset("img", (side, side), np.uint8, chunks=(side, side), compression="gzip")

    tracemalloc.start()
    with pytest.raises(SceneError, match=r"in pieces of 1.60 GB that are unpacked whole"):
        open_scene(hdf5(folder / "scene.h5", fill))
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    assert side**2 > MOST_PIECE_BYTES


def test_what_hdf5_files_may_hold(folder):
    def fill(file):
        file.create_dataset("img", data=np.full((8, 8, 3), 7, np.uint8), chunks=(4, 4, 3))
        file["again"] = file["img"]
        file["soft"] = h5py.SoftLink("/nowhere")
        layout = h5py.VirtualLayout((8, 8), np.uint8)
        layout[:] = h5py.VirtualSource(".", "img", (8, 8, 3))[:, :, 0]
        file.create_virtual_dataset("own", layout)

    assert open_scene(hdf5(folder / "scene.h5", fill)).read().max() == 7
    refuse_wrong("it", io.BytesIO((folder / "scene.h5").read_bytes()))


@pytest.mark.parametrize(("number", "length"), [(0, 0), (1, 2**64 - 16)])
def test_texts_that_would_be_read_for_ever_are_refused(tmp_path, number, length):
    path = tmp_path / "scene.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.zeros((8, 8, 3), np.uint8)
        file.attrs["names"] = ["red", "green", "blue"]
    with open_hdf5_file(path) as file:
        assert list(file.attrs["names"]) == ["red", "green", "blue"]
    content = bytearray(path.read_bytes())
    start = content.find(b"GCOL") + 16  # the first of the heap's pieces
    content[start : start + 2], content[start + 8 : start + 16] = number.to_bytes(2, "little"), length.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="scene.h5 holds texts that cannot be read to their end"), open_hdf5_file(path):
        pass


@pytest.mark.parametrize(("number", "length"), [(0, 32), (1, 16)])
def test_heaps_that_seem_to_begin_within_each_other_are_not_gone_through_one_by_one(tmp_path, number, length):
    path = tmp_path / "scene.h5"
    begin = b"GCOL\x01\0\0\0" + (1 << 40).to_bytes(8, "little")
    piece = number.to_bytes(8, "little") + length.to_bytes(8, "little")  # leads to that behind the next beginning
    with h5py.File(path, "w") as file:
        file["image"] = np.frombuffer((begin + piece) * 2_000, np.uint8).reshape(500, -1)
    wanted = "holds more than 1,000,000 texts, or heaps of texts within each other"
    with pytest.raises(InputError, match=f"scene.h5 {wanted}"), open_hdf5_file(path):
        pass
    with pytest.raises(InputError, match=f"it {wanted}"):
        refuse_wrong("it", io.BytesIO(path.read_bytes()))
