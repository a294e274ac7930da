"""A whole region as one scene: predicted, outlined and written to a GeoPackage, by the command line as a user types it.

    python bench/region.py [--sizes 8192,16384,32768] [--kills 20] [--killed SIZE] [--at FOLDER] [--seed 19]

The scene is a virtual raster over GeoTIFFs that are made once: pieces of the sample's pictures, and of the Dubai set where it is there,
turned, mirrored and relit by a seed. For each size `predict` and `vectorize` run as processes of their own; told are seconds on the clock
and of the processor, the most memory that the process and its children held, the most disk, and the polygons. From the two largest sizes
follows what 100,000 x 100,000 pixels would take, said as a projection.

Then the size named by --killed is done again with both commands killed (SIGKILL, the whole process group) --kills times in all, a third of
them while outlines are made, at moments drawn evenly over what each took undisturbed, and started again as they were. What is there at
the end must be what the undisturbed run left, pixel by pixel and feature by feature, with nothing left over beside it. The exit status is 1
where it is not.

Files go to --at (a temporary folder by default) and are deleted at the end: about 14 bytes a pixel of the largest size.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyogrio
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.shutil import copy as copy_raster

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.records import keep  # noqa: E402
from core.scenes.opening import open_scene  # noqa: E402

BLOCK_PX, PIECE_PX, BLOCKS = 2048, 512, 64
"""Side of a GeoTIFF that the scene is laid of, side of the pieces of pictures in it, and how many GeoTIFFs there are."""
PIXEL_M, CORNER, CRS = 0.3, (470_000.0, 2_800_000.0), "EPSG:32640"
REGION_PX = 100_000
_SIDE = -(-REGION_PX // BLOCK_PX)
LIGHT, TINT = (0.8, 1.2), 12.0
"""How much darker and lighter a piece may be, and grey values that each of its bands may be moved by."""
PICTURES = ("town/images/*.tif", "landcover/images/*.tif", "tiles1024/images/*.tif")
DUBAI = ROOT.parent / "shared" / "data" / "dubai"
WARM_PX = "512"
PROJECTED_FROM = REGION_PX**2 // 200
"""Pixels that the largest size has at least where something is said of the whole region: below, memory is still that of the programs."""
LOOK_S, DISK_LOOK_S = 0.1, 1.0
MIB = 1 << 20


def pictures() -> list[np.ndarray]:
    """Pictures (h, w, 3) uint8 that are large enough to cut pieces of, those of the Dubai set too where it is there."""
    samples = [path for pattern in PICTURES for path in sorted((ROOT / "sample_data").glob(pattern))]
    found = (open_scene(path).read() for path in [*samples, *sorted(DUBAI.glob("*/images/*.jpg"))])
    return [picture for picture in found if min(picture.shape[:2]) >= PIECE_PX]


def block_of(found: Sequence[np.ndarray], seed: int, number: int) -> np.ndarray:
    """One block (BLOCK_PX, BLOCK_PX, 3) uint8 of turned, mirrored and relit pieces; the same for the same seed, number and pictures."""
    rng = np.random.default_rng([seed, number])
    block = np.empty((BLOCK_PX, BLOCK_PX, 3), np.uint8)
    for row, col in itertools.product(range(0, BLOCK_PX, PIECE_PX), repeat=2):
        picture = found[rng.integers(len(found))]
        top, left = (int(rng.integers(side - PIECE_PX + 1)) for side in picture.shape[:2])
        piece = np.rot90(picture[top : top + PIECE_PX, left : left + PIECE_PX], int(rng.integers(4)))
        piece = piece[:, ::-1] if rng.integers(2) else piece
        light, tints = rng.uniform(*LIGHT), rng.uniform(-TINT, TINT, 3)
        for band, tint in enumerate(tints):
            relit = np.clip(np.rint(np.arange(256) * light + tint), 0, 255).astype(np.uint8)
            block[row : row + PIECE_PX, col : col + PIECE_PX, band] = relit[piece[..., band]]
    return block


def write_blocks(folder: Path, seed: int, blocks: int = BLOCKS) -> None:
    """Write the GeoTIFFs that a scene is laid of, with overviews, as pictures from the air come."""
    folder.mkdir(parents=True, exist_ok=True)
    found = pictures()
    for number in range(blocks):
        pixels = np.ascontiguousarray(block_of(found, seed, number).transpose(2, 0, 1))
        profile = dict(driver="GTiff", height=BLOCK_PX, width=BLOCK_PX, count=3, dtype="uint8")
        with warnings.catch_warnings(), rasterio.MemoryFile() as memory:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the virtual raster says where they lie
            with memory.open(**profile) as plain:
                plain.write(pixels)
            with memory.open() as plain:
                copy_raster(plain, folder / block_name(number), driver="COG", compress="JPEG", quality=90)


def block_name(number: int) -> str:
    """The file of a block."""
    return f"block{number:03}.tif"


def write_scene(path: Path, height: int, width: int, seed: int, blocks: int = BLOCKS) -> None:
    """Write a virtual raster of so many pixels over the blocks in the folder "blocks" beside it, a random one at each place.

    A larger scene of the same seed has the smaller one in its upper left corner.
    """
    chosen = np.random.default_rng(seed).integers(blocks, size=(_SIDE, _SIDE))
    places = list(itertools.product(range(-(-height // BLOCK_PX)), range(-(-width // BLOCK_PX))))
    left, top = CORNER
    lines = [f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>{CRS}</SRS>']
    lines.append(f"<GeoTransform>{left}, {PIXEL_M}, 0, {top}, 0, {-PIXEL_M}</GeoTransform>")
    for band, colour in enumerate(("Red", "Green", "Blue"), 1):
        lines.append(f'<VRTRasterBand dataType="Byte" band="{band}"><ColorInterp>{colour}</ColorInterp>')
        for row, col in places:
            rows, cols = min(BLOCK_PX, height - BLOCK_PX * row), min(BLOCK_PX, width - BLOCK_PX * col)
            rectangle = f'xSize="{cols}" ySize="{rows}"'
            lines.append(
                f'<SimpleSource><SourceFilename relativeToVRT="1">blocks/{block_name(chosen[row % _SIDE, col % _SIDE])}</SourceFilename>'
                f'<SourceBand>{band}</SourceBand><SourceProperties RasterXSize="{BLOCK_PX}" RasterYSize="{BLOCK_PX}" DataType="Byte" '
                f'BlockXSize="512" BlockYSize="512"/><SrcRect xOff="0" yOff="0" {rectangle}/>'
                f'<DstRect xOff="{col * BLOCK_PX}" yOff="{row * BLOCK_PX}" {rectangle}/></SimpleSource>'
            )
        lines.append("</VRTRasterBand>")
    path.write_text("\n".join([*lines, "</VRTDataset>"]), encoding="utf-8")


@dataclass
class Cost:
    """What a command took: seconds on the clock and of the processor, and at most: memory of it and its children, bytes on the disk."""

    seconds: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    disk: int = 0
    killed: bool = False


def run(command: Sequence[str], folder: Path, kill_after: float | None = None) -> tuple[Cost, dict]:
    """Run one of Groundline's commands in a session of its own, watch what it takes, and kill all of it after so many seconds.

    folder: whose size on the disk is watched. Returns its cost and its answer, nothing when it was killed. Raises SystemExit when it fails.
    """
    told = folder / "told.json"
    with told.open("wb") as out, (folder / "errors.txt").open("w+b") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "core", *command, "--json"],
            stdout=out,
            stderr=errors,
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            start_new_session=True,  # a group of its own: a kill meets it, its children, and nobody else
        )
        cost, looked = Cost(), 0.0
        try:
            while process.poll() is None:
                cost.seconds = time.perf_counter() - begun
                memory, cpu = taken(process.pid)
                cost.peak, cost.cpu = max(cost.peak, memory), max(cost.cpu, cpu)
                if cost.seconds - looked > DISK_LOOK_S:
                    cost.disk, looked = max(cost.disk, disk_bytes(folder)), cost.seconds
                if kill_after is not None and cost.seconds >= kill_after:
                    os.killpg(process.pid, signal.SIGKILL)
                    cost.killed = True
                    break
                time.sleep(LOOK_S)
        finally:
            if process.poll() is None and not cost.killed:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        cost.seconds = time.perf_counter() - begun
        cost.disk = max(cost.disk, disk_bytes(folder))
        if not cost.killed and process.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)}: {errors.read().decode(errors='replace')[-2000:]}")
    answer = {} if cost.killed else json.loads(told.read_text(encoding="utf-8").strip().splitlines()[-1])
    for file in (told, folder / "errors.txt"):
        file.unlink()
    return cost, answer


def taken(pid: int) -> tuple[int, float]:
    """Resident bytes of a process and all below it now, and the processor seconds that they have used."""
    memory, cpu = 0, 0.0
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        for one in (first, *first.children(recursive=True)):
            with suppress(psutil.Error):  # it has ended meanwhile
                memory += one.memory_info().rss
                times = one.cpu_times()
                cpu += times.user + times.system + (times.children_user + times.children_system if one is first else 0)
    return memory, cpu


def disk_bytes(folder: Path) -> int:
    """Bytes that the files of a folder take on the disk."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # gone meanwhile
            total += path.lstat().st_blocks * 512
    return total


@dataclass(frozen=True)
class Case:
    """One size: the commands for it, in a folder of its own, and where their results lie."""

    folder: Path
    scene: Path
    model: str
    memory: str

    @property
    def commands(self) -> dict[str, list[str]]:
        """Both commands by their name, each as a user types it."""
        prediction = str(self.folder / "prediction")
        return {
            "predict": ["predict", self.model, str(self.scene), prediction, "--memory", self.memory],
            "vectorize": ["vectorize", prediction, str(self.layer)],
        }

    @property
    def layer(self) -> Path:
        """The layer that `vectorize` writes."""
        return self.folder / "layer.gpkg"

    def names(self) -> list[str]:
        """All that lies in the folder, hidden or not."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))

    def digests(self) -> dict[str, str]:
        """What each raster and the layer hold, whatever their files look like."""
        rasters = sorted((self.folder / "prediction").glob("*.tif"))
        return {**{path.name: digest_of_raster(path) for path in rasters}, self.layer.name: digest_of_layer(self.layer)}


def digest_of_raster(path: Path) -> str:
    """A digest of the pixels of all bands, block by block."""
    digest = hashlib.blake2b()
    with rasterio.Env(GDAL_CACHEMAX=64 * MIB), rasterio.open(path) as file:
        for _, window in file.block_windows(1):
            digest.update(file.read(window=window).tobytes())
    return digest.hexdigest()


def digest_of_layer(path: Path) -> str:
    """A digest of the fields and geometries of all features, in their order."""
    digest = hashlib.blake2b()
    with pyogrio.open_arrow(path, layer=path.stem, use_pyarrow=True) as (_, batches):
        for batch in batches:
            for column in batch.columns:
                digest.update(repr(column.to_pylist()).encode())
    return digest.hexdigest()


def undisturbed(case: Case, size: str) -> tuple[dict[str, Cost], int]:
    """Both commands one after the other; their costs, and the polygons. Prints a line for each."""
    costs, polygons = {}, 0
    for name, command in case.commands.items():
        costs[name], answer = run(command, case.folder)
        polygons = answer.get("polygons", polygons)
        cost = costs[name]
        print(
            f"{size:>15} {name:9} {cost.seconds:7.1f} s, {cost.cpu:7.1f} s of the processor, {cost.peak / MIB:6.0f} MiB at most, "
            f"{cost.disk / MIB:7.0f} MiB on the disk{f', {polygons} polygons' if name == 'vectorize' else ''}",
            flush=True,
        )
    return costs, polygons


def moments(seconds: dict[str, float], kills: int, seed: int) -> dict[str, list[float]]:
    """After how many seconds each start of a command is killed: two thirds of the `kills` over the prediction, the others over outlines.

    A prediction goes on where it was, so its moments are those of one run, and each start lives from one to the next. Outlines begin
    anew, so each start may live as long as an undisturbed run, but for a twentieth, which other runs may be faster by.
    """
    rng = np.random.default_rng(seed)
    first = np.sort(rng.uniform(0, seconds["predict"], kills - kills // 3))
    later = rng.uniform(0, 0.95 * seconds["vectorize"], kills // 3)
    return {"predict": np.diff(first, prepend=0).tolist(), "vectorize": later.tolist()}


def disturbed(case: Case, seconds: dict[str, float], kills: int, seed: int) -> tuple[Cost, int]:
    """Both commands, killed and started again; what all starts took together, and how many were killed."""
    whole, died = Cost(), 0
    for name, after in moments(seconds, kills, seed).items():
        for moment in [*after, None]:
            cost, _ = run(case.commands[name], case.folder, moment)
            whole.seconds, whole.cpu, died = whole.seconds + cost.seconds, whole.cpu + cost.cpu, died + cost.killed
            whole.peak, whole.disk = max(whole.peak, cost.peak), max(whole.disk, cost.disk)
            print(f"    {name} {'killed' if cost.killed else 'done'} after {cost.seconds:.1f} s", flush=True)
            if moment is not None and not cost.killed:
                break  # it was done before its moment came
    return whole, died


def projected(pixels: Sequence[int], values: Sequence[float], wanted: int) -> float:
    """What `wanted` pixels would take by the straight line through the two largest of the sizes that were measured.

    One size alone is taken to grow from nothing.
    """
    points = sorted(zip(pixels, values, strict=True))[-2:]
    (first, low), (last, high) = points if len(points) == 2 else ((0, 0.0), points[0])
    return high + (high - low) / (last - first) * (wanted - last)


def size_of(text: str) -> tuple[int, int]:
    """Height and width of "8192" or "2048x100000"."""
    height, _, width = text.partition("x")
    return int(height), int(width or height)


def main() -> int:
    """Make the scenes, run what is asked for, and print the growth; 1 when a killed run ended with other results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="8192,16384,32768", help="pixels of a side, or HEIGHTxWIDTH, with commas; the growth is theirs")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--killed", help="the size whose commands are killed; the largest of all by default")
    parser.add_argument("--model", default="dubai-landcover-fast")
    parser.add_argument("--memory", default="1.5GiB", help="what predict may take")
    parser.add_argument("--at", type=Path, help="folder for all files; it is left as it was")
    parser.add_argument("--seed", type=int, default=19)
    asked = parser.parse_args()
    sizes = asked.sizes.split(",")
    with tempfile.TemporaryDirectory(prefix="region-", dir=asked.at) as place:
        return measure(Path(place), sizes, asked.killed or max(sizes, key=lambda size: np.prod(size_of(size))), asked)


def measure(place: Path, sizes: Sequence[str], killed: str, asked: argparse.Namespace) -> int:
    """All sizes, the growth, and the run that is killed; 1 when that one ended with other results."""
    write_blocks(place / "blocks", asked.seed)
    warm = case_of(place, WARM_PX, asked)
    for command in warm.commands.values():  # which compiles the kernels of a new clone
        run(command, warm.folder)
    found: dict[str, tuple[dict[str, Cost], int]] = {}
    wanted: dict[str, str] = {}
    names: list[str] = []
    for size in sizes:
        case = case_of(place, size, asked)
        found[size] = undisturbed(case, size)
        keep_costs(size, *found[size])
        if size == killed:
            wanted, names = case.digests(), case.names()
        shutil.rmtree(case.folder)
    project(found)
    if not asked.kills:
        return 0
    case = case_of(place, killed, asked)
    alone = {name: cost.seconds for name, cost in found[killed][0].items()}
    cost, died = disturbed(case, alone, asked.kills, asked.seed)
    same, clean = case.digests() == wanted, case.names() == names
    before = sum(alone.values())
    print(
        f"{killed}: killed {died} times, {cost.seconds:.1f} s in all starts, {before:.1f} s undisturbed; rasters and layer "
        f"{'are the same' if same else 'DIFFER'}, {'nothing' if clean else 'SOMETHING'} left over"
    )
    keep(f"{killed} pixels, killed {died} times: all starts together", "s", cost.seconds, "undisturbed", before)
    keep(f"{killed} pixels, killed {died} times: rasters and layer that differ, and files left over", "", float(not (same and clean)))
    return int(not (same and clean))


def case_of(place: Path, size: str, asked: argparse.Namespace) -> Case:
    """The folder and the scene of one size."""
    case = Case(place / f"of-{size}", place / f"{size}.vrt", asked.model, asked.memory)
    case.folder.mkdir()
    write_scene(case.scene, *size_of(size), asked.seed)
    return case


def keep_costs(size: str, costs: dict[str, Cost], polygons: int) -> None:
    """Rows of one size for the record."""
    for name, cost in costs.items():
        for unit, value in (
            ("s", cost.seconds),
            ("processor s", cost.cpu),
            ("MiB at most", cost.peak / MIB),
            ("MiB on the disk", cost.disk / MIB),
        ):
            keep(f"{name} of {size} pixels", unit, value)
    keep(f"polygons of {size} pixels", "", float(polygons))


def project(found: dict[str, tuple[dict[str, Cost], int]]) -> None:
    """Print what a million pixels take, and what the whole region would where the sizes are large enough to tell."""
    pixels = [int(np.prod(size_of(size))) for size in found]
    for name in ("predict", "vectorize"):
        costs = [one[name] for one, _ in found.values()]
        for size, count, cost in zip(found, pixels, costs, strict=True):
            million = count / 1e6
            print(
                f"{size:>15} {name:9} a million pixels: {cost.seconds / million:.3f} s, {cost.cpu / million:.3f} s of the processor, "
                f"{cost.peak / MIB / million:.2f} MiB of memory, {cost.disk / MIB / million:.2f} MiB on the disk"
            )
        if max(pixels) < PROJECTED_FROM:
            continue
        wanted = ("seconds", "cpu", "peak", "disk")
        seconds, cpu, memory, disk = (projected(pixels, [getattr(cost, what) for cost in costs], REGION_PX**2) for what in wanted)
        print(
            f"{REGION_PX} x {REGION_PX}, projected: {name} {seconds / 3600:.2f} h, {cpu / 3600:.2f} h of the processor, "
            f"{memory / MIB / 1024:.1f} GiB of memory, {disk / MIB / 1024:.0f} GiB on the disk",
            flush=True,
        )
    if max(pixels) < PROJECTED_FROM:
        return
    count = projected(pixels, [float(polygons) for _, polygons in found.values()], REGION_PX**2)
    print(f"{REGION_PX} x {REGION_PX}, projected: {count:,.0f} polygons")


if __name__ == "__main__":
    sys.exit(main())
