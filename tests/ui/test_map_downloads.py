"""What the page's downloads hold is what the command line writes, for every product of a layer with centre lines."""

import re
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from core.__main__ import main
from core.vector.formats.products import PRODUCTS
from tests.helpers.predicted import COLOURS, predicted
from ui.map import downloads, sources

STAMPS = {
    ".pdf": rb"/CreationDate \(.*?\)",
    ".report.html": rb"Written on .*? by ",
}
"""Where a file tells the time at which it was written."""


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A predicted scene with a cross of two roads and a pond: its folder, and the folder of what the command line wrote of it."""
    folder = tmp_path_factory.mktemp("town")
    ids = np.ones((60, 80), np.uint8)
    ids[26:34, :] = ids[:, 36:44] = 2
    ids[5:20, 5:25] = 4
    place = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 325000, 0, -0.5, 2784000)}
    with rasterio.open(folder / "town.tif", "w", driver="GTiff", height=60, width=80, count=3, dtype="uint8", **place) as out:
        out.write(COLOURS.astype(np.uint8)[ids].transpose(2, 0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDLINE_WORKSPACE", str(folder / "workspace"))
        made = predicted(folder / "town.tif", folder / "workspace" / "predictions" / "town", blur_px=1)
        files = [str(folder / f"town{suffix}") for suffix in downloads.suffixes()]
        assert main(["vectorize", str(made), *files, "--centre-lines", "Road"]) == 0
        yield made, folder


@pytest.fixture(scope="module")
def traced(town):
    from core.vector.vectorize import vectorize

    return vectorize(town[0], centre_lines=["Road"])


@pytest.mark.parametrize("suffix", downloads.suffixes())
def test_page_and_command_line_write_the_same(town, traced, tmp_path, suffix):
    source = replace(sources.open_source(town[0]), title="town")
    layer, lines = (replace(one, scheme=one.scheme.natural()) for one in (traced.layer, traced.lines))
    content = downloads.exporter(lambda: layer, f"town{suffix}", source=source, lines=lines)()
    (tmp_path / f"town{suffix}").write_bytes(content)
    mine, theirs = tmp_path / f"town{suffix}", town[1] / f"town{suffix}"
    product = PRODUCTS[suffix]
    if suffix in (".gpkg", ".shp.zip"):  # which hold the time in many places
        for read in (product.read, *([product.read_lines] if product.read_lines else [])):
            one, other = read(mine), read(theirs)
            assert one.fields.equals(other.fields) and one.crs == other.crs
            assert shapely.equals_exact(one.geometry, other.geometry, 0).all()
    else:
        stamp = STAMPS.get(suffix, b"^$")
        assert re.sub(stamp, b"", content) == re.sub(stamp, b"", theirs.read_bytes())


def test_the_page_has_the_lines_wherever_one_file_holds_them(town, traced):
    source = sources.open_source(town[0])
    for suffix in (".report.html", ".html"):
        with_lines = downloads.exporter(lambda: traced.layer, f"town{suffix}", source=source, lines=traced.lines)()
        assert len(with_lines) > len(downloads.exporter(lambda: traced.layer, f"town{suffix}", source=source)())
    report = downloads.exporter(lambda: traced.layer, "town.report.html", source=source, lines=traced.lines)().decode()
    assert "Centre lines" in report and report.count("M", report.index('id="lines" d="'), report.index('fill="none"')) == 4
