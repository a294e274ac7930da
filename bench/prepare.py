"""How much memory preparing takes: the Dubai tiles, and thousands of generated 1024 x 1024 images.

Run `python bench/prepare.py`. Each case runs in a process of its own, whose peak resident memory (the interpreter and
all libraries included) is asked of the operating system at its end. Exit code 1 when a case is over 600 MiB.
`--patchify 60` compares instead with the way of the tutorials on so many generated images: patchify, all patches in memory as
float32, masks one-hot. Ours ends with patches on the disk, with their counts by class and a split.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.records import keep  # noqa: E402

DUBAI = ROOT.parent / "shared" / "data" / "dubai"
BOUND_MIB = 600
PATCH_PX = 256
APART = {"same_ground": "apart"}
"""Whether images show the same ground is a question that patchify does not ask; bench/same_ground.py tells what the answer takes."""
_DIFFERENT_IMAGES = 24


def main() -> int:
    """Run the cases and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2783, help="generated images that are reduced from 1024 to 128 pixels")
    parser.add_argument("--cut", type=int, default=300, help="generated images that are cut into 256 x 256 patches at full size")
    parser.add_argument("--only", default="", help="run just the cases whose name has this text in it")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--patchify", type=int, metavar="IMAGES", help="compare with patchify in memory instead")
    options = parser.parse_args()
    if options.child:
        return measure(json.loads(options.child))
    if options.patchify:
        return against_patchify(options.patchify)
    over = 0
    print(f"{'case':44s} {'patches':>8s} {'seconds':>8s} {'peak MiB':>9s} {'the arrays, MiB':>16s} {'ratio':>6s}")
    with tempfile.TemporaryDirectory(prefix="groundline-bench-") as folder:
        for name, case in cases(Path(folder), options.images, options.cut):
            if options.only not in name:
                continue
            found = in_own_process(case)
            # What the usual scripts hold: every patch as float32, and its mask one-hot as float32.
            arrays = found["patches"] * found["pixels"] * (3 + found["classes"]) * 4 / 2**20
            ratio = found["peak_mib"] / arrays
            print(f"{name:44s} {found['patches']:8d} {found['seconds']:8.1f} {found['peak_mib']:9.0f} {arrays:16.0f} {ratio:6.2f}")
            keep(name, "MiB", found["peak_mib"], "its patches as float32 arrays", arrays)
            over += found["peak_mib"] > BOUND_MIB
            shutil.rmtree(case["out"], ignore_errors=True)
    print(f"bound: {BOUND_MIB} MiB, {'kept' if not over else f'broken by {over}'}")
    return 1 if over else 0


def in_own_process(case: dict) -> dict:
    """What `measure` prints of a case."""
    result = subprocess.run([sys.executable, __file__, "--child", json.dumps(case)], capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(result.stderr.strip().splitlines()[-1])
    return json.loads(result.stdout.splitlines()[-1])


def against_patchify(images: int) -> int:
    """Print the memory and processor time of ours and of the tutorials' way on the same images."""
    with tempfile.TemporaryDirectory(prefix="groundline-bench-") as folder:
        dataset = str(generate(Path(folder) / "generated", images))
        few = str(generate(Path(folder) / "few", 2))
        in_own_process(dict(dataset=few, out=f"{folder}/few-out", settings=APART))  # compiles where nothing is compiled yet
        ours = in_own_process(dict(dataset=dataset, out=f"{folder}/out", settings=APART))
        theirs = in_own_process(dict(dataset=dataset, way="patchify"))
    what = f"{images} images of 1024 x 1024 into patches of {PATCH_PX}"
    for unit, key in (("MiB", "peak_mib"), ("processor s", "processor_s")):
        ratio = theirs[key] / ours[key]
        print(f"{what}: {ours[key]:.1f} {unit}, patchify in memory {theirs[key]:.1f}, {ratio:.1f} times as much")
        keep(what, unit, ours[key], "patchify in memory", theirs[key], key=key)
    return 0


def patchify_in_memory(dataset: Path) -> dict:
    """The tutorials' way: all patches of all images as float32 arrays, masks by their colours and then one-hot."""
    from patchify import patchify
    from PIL import Image

    from core.classes import DUBAI as PALETTE

    stacks: dict[str, list[np.ndarray]] = {"images": [], "masks": []}
    for kind, patches in stacks.items():
        for path in sorted((dataset / kind).iterdir()):
            picture = np.asarray(Image.open(path).convert("RGB"))
            patches.extend(patchify(picture, (PATCH_PX, PATCH_PX, 3), step=PATCH_PX).reshape(-1, PATCH_PX, PATCH_PX, 3))
    images = np.array(stacks["images"]).astype(np.float32) / 255
    colours = np.array(stacks["masks"])
    ids = np.zeros(colours.shape[:3], np.uint8)
    for number, colour in enumerate(PALETTE.decode(np.arange(len(PALETTE), dtype=np.uint8)[None])[0]):
        ids[(colours == colour).all(axis=-1)] = number
    masks = np.eye(len(PALETTE), dtype=np.float32)[ids]
    return {"patches": len(images), "pixels": PATCH_PX**2, "classes": masks.shape[-1]}


def cases(folder: Path, images: int, cut: int):
    """Name and settings of each case; the generated images are written when they are first needed."""
    if DUBAI.is_dir():
        yield "54 Dubai images, 256 x 256", dict(dataset=str(DUBAI), out=str(folder / "dubai"), settings={})
        yield "54 Dubai images, 256 x 256, stride 128", dict(dataset=str(DUBAI), out=str(folder / "dubai2"), settings=dict(stride=128))
    else:
        print(f"(no Dubai tiles at {DUBAI}, left out)")
    generated = generate(folder / "generated", max(images, cut))
    few = folder / "few"
    for kind in ("images", "masks"):
        (few / kind).mkdir(parents=True)
        for path in sorted((generated / kind).iterdir())[:cut]:
            os.link(path, few / kind / path.name)
    yield f"{cut} images of 1024 x 1024, cut at 256", dict(dataset=str(few), out=str(folder / "cut"), settings={})
    small = dict(patch_size=128, stride=128, scale=0.125)
    yield f"{images} images of 1024 x 1024, made 128 x 128", dict(dataset=str(generated), out=str(folder / "small"), settings=small)


def generate(folder: Path, count: int) -> Path:
    """Write `count` pairs of 1024 x 1024: some different ones, and hard links to them."""
    from PIL import Image

    from core.classes import DUBAI as PALETTE

    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for k in range(count):
        names = folder / "images" / f"scene_{k:04d}.tif", folder / "masks" / f"scene_{k:04d}.png"
        if k >= _DIFFERENT_IMAGES:
            for path, kind, ending in zip(names, ("images", "masks"), ("tif", "png"), strict=True):
                os.link(folder / kind / f"scene_{k % _DIFFERENT_IMAGES:04d}.{ending}", path)
            continue
        ids = np.kron(rng.integers(0, 5, (16, 16)), np.ones((64, 64))).astype(np.uint8)
        image = (PALETTE.decode(ids) // 2 + rng.integers(0, 60, (1024, 1024, 3))).astype(np.uint8)
        Image.fromarray(image).save(names[0])
        Image.fromarray(PALETTE.decode(ids)).save(names[1])
    return folder


def measure(case: dict) -> int:
    """Prepare one case in this process and print what it took as JSON."""
    start = time.perf_counter()
    if case.get("way") == "patchify":
        made = patchify_in_memory(Path(case["dataset"]))
    else:
        from core.datasets.datasets import open_dataset
        from core.patches.prepare import prepare

        store = prepare(open_dataset(case["dataset"]), case["out"], **case["settings"])
        made = {"patches": len(store), "pixels": store.patch_size**2, "classes": len(store.scheme)}
    seconds = time.perf_counter() - start
    print(json.dumps({**made, "seconds": seconds, "processor_s": time.process_time(), "peak_mib": peak_mib()}))
    return 0


def peak_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    if sys.platform == "linux":
        # ru_maxrss would count the parent's memory too, which the process held before it became this program.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    raise SystemExit(main())
