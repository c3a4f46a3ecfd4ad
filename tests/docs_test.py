"""Runs every command line that README.md and docs/*.md show: a page that cannot be followed is wrong."""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import numpy as np

from sensing_test import png

UNRECT = os.environ["UNRECT"]
ROOT = pathlib.Path(__file__).resolve().parent.parent


def commands(page):
    """The lines of sh blocks that call unrect, with '$ ' prompts and continuation lines taken off."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ")
            if line.startswith("unrect "):
                yield line.split("   #")[0].split(" | ")[0]


def main():
    failed = done = 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            # The files that the pages speak of.
            (folder / "models").symlink_to(ROOT / "models")
            subprocess.run([UNRECT, "random", "2,16,16,3", "--seed", "7", "--out", folder / "net.onnx"], check=True,
                           stdout=subprocess.DEVNULL)
            subprocess.run([UNRECT, "random", "784,32,32,10", "--seed", "1", "--out", folder / "mnist.onnx"], check=True,
                           stdout=subprocess.DEVNULL)
            np.save(folder / "x.npy", np.array([0.1, 0.2]))
            images = (np.arange(20 * 784) % 251).astype(np.uint8)
            (folder / "images.idx").write_bytes(bytes([0, 0, 8, 3]) + np.array([20, 28, 28], ">i4").tobytes() + images.tobytes())
            rng = np.random.default_rng(1)
            inputs = rng.normal(size=(300, 3))
            np.save(folder / "inputs.npy", inputs)
            np.save(folder / "targets.npy", np.abs(inputs[:, :2]))
            np.save(folder / "signals.npy", np.maximum(inputs @ rng.normal(size=(3, 20)), 0))
            (folder / "mnist-folder").mkdir()
            for part in ("train", "t10k"):
                header = bytes([0, 0, 8, 3]) + np.array([150, 8, 8], ">i4").tobytes()
                (folder / f"mnist-folder/{part}-images-idx3-ubyte").write_bytes(header + images[:150 * 64].tobytes())
                header = bytes([0, 0, 8, 1]) + np.array([150], ">i4").tobytes()
                (folder / f"mnist-folder/{part}-labels-idx1-ubyte").write_bytes(header + (images[:150] % 10).tobytes())
            scene = np.clip(np.add.outer(np.arange(48), np.arange(40)) * 2 + 60 * rng.integers(0, 2, (6, 5)).repeat(8, 0).repeat(8, 1), 0, 255)
            (folder / "images").mkdir()
            for name in ("image.png", "images/one.png", "images/two.png"):
                (folder / name).write_bytes(png(scene if name != "images/two.png" else scene[::-1]))
            np.save(folder / "phi.npy", np.linalg.qr(rng.normal(size=(1089, 109)))[0].T)
            (folder / "property.vnnlib").write_text(
                "(declare-const X_0 Real)(declare-const X_1 Real)" + "".join(f"(declare-const Y_{i} Real)" for i in range(3)) +
                "(assert (and (>= X_0 -1) (<= X_0 1) (>= X_1 -1) (<= X_1 1) (<= Y_0 Y_1)))")
            for command in commands(page):
                result = subprocess.run([UNRECT, *shlex.split(command)[1:]], cwd=folder, capture_output=True, text=True)
                done += 1
                if result.returncode != 0:
                    failed += 1
                    print(f"{page.name}: {command}\n  exit {result.returncode}: {result.stderr.strip()}")
    print(f"{done - failed} passed, {failed} failed")
    return 1 if failed or done == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
