"""The one table of products: command line and page offer just its rows, and it is read without the libraries that write them."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import rasterio

from core.__main__ import main
from core.vector.formats.products import PRODUCTS, formats, product_of
from ui.map import downloads


def offered_by_the_command_line(*rows):
    """Every ending that the help of `vectorize` names, in a process of its own, where the table has more `rows` from the start."""
    code = (
        "from dataclasses import replace; from core.vector.formats.products import PRODUCTS\n"
        f"for suffix in {rows!r}: PRODUCTS[suffix] = replace(PRODUCTS['.geojson'], title='Planted')\n"
        "from core.__main__ import main; main(['vectorize', '--help'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return re.search(r"file to write:((?:\s+\.[\w.]+)+)", told).group(1).split()


def offered_by_the_page():
    return downloads.suffixes()


def test_command_line_and_page_offer_the_rows_of_the_table():
    assert offered_by_the_command_line() == list(PRODUCTS)
    # A browser takes one file home, not the parts of one.
    assert sorted(offered_by_the_page()) == sorted(suffix for suffix, product in PRODUCTS.items() if not product.in_parts)
    assert {suffix for offers in downloads.OFFERS.values() for suffix in offers} <= set(PRODUCTS)


def test_one_more_row_is_offered_and_written_on_both_sides(tmp_path, monkeypatch):
    monkeypatch.setitem(PRODUCTS, ".planted.json", replace(PRODUCTS[".geojson"], title="Planted"))
    assert ".planted.json" in offered_by_the_command_line(".planted.json") and ".planted.json" in offered_by_the_page()
    assert product_of("a.planted.json") == ".planted.json" and ".planted.json" in formats()
    with rasterio.open(tmp_path / "ids.tif", "w", driver="GTiff", height=20, width=30, count=1, dtype="uint8") as out:
        out.write(np.kron(np.eye(2, dtype=np.uint8), np.ones((10, 15), np.uint8)), 1)
    assert main(["vectorize", str(tmp_path / "ids.tif"), str(tmp_path / "a.planted.json")]) == 0
    from core.vector.vectorize import vectorize

    layer = vectorize(tmp_path / "ids.tif").layer
    assert downloads.exporter(lambda: layer, "a.planted.json")() == (tmp_path / "a.planted.json").read_bytes()


def test_looking_at_the_table_waits_for_no_library():
    heavy = {"geopandas", "pandas", "shapely", "pyogrio", "rasterio", "matplotlib", "numba"}
    code = f"import sys, core.vector.formats.products; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
