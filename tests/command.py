"""The command line as tests run it."""
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

import numpy as np

UNRECT = os.environ["UNRECT"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("UNRECT_DATA", ROOT.parent / "shared" / "data"))
MPIRUN = shutil.which("mpirun")
MPI = [MPIRUN, "--oversubscribe", "--allow-run-as-root"] if MPIRUN and os.path.exists(UNRECT + "-mpi") else None


def run(*args, cwd=None):
    return subprocess.run([UNRECT, *map(str, args)], capture_output=True, text=True, cwd=cwd, timeout=300)


def read_png(path):
    """Height × width × 3 of an 8-bit PNG without interlacing."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8]
        if kind == b"IHDR":
            width, height, channels = *struct.unpack(">II", data[at + 8:at + 16]), {0: 1, 2: 3, 4: 2, 6: 4}[data[at + 17]]
        packed += data[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    size, packed = width * channels, zlib.decompress(packed)
    above, rows = bytearray(size), []
    for y in range(height):
        kind, row = packed[y * (size + 1)], bytearray(packed[y * (size + 1) + 1:(y + 1) * (size + 1)])
        if kind == 1:
            row = np.cumsum(np.frombuffer(row, np.uint8).reshape(width, channels), 0, np.uint8).tobytes()
        elif kind == 2:
            row = (np.frombuffer(row, np.uint8) + np.frombuffer(above, np.uint8)).tobytes()
        elif kind > 2:
            for x in range(size):
                a, c = (row[x - channels], above[x - channels]) if x >= channels else (0, 0)
                b = above[x]
                if kind == 3:
                    guess = (a + b) // 2
                else:
                    pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
                    guess = a if pa <= pb and pa <= pc else b if pb <= pc else c
                row[x] = (row[x] + guess) & 255
        rows.append(bytes(row))
        above = row
    return np.frombuffer(b"".join(rows), np.uint8).reshape(height, width, channels)[:, :, :3]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def ok(self, *args):
        done = run(*args, cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def refused(self, status, *words_then_args):
        """The last argument is the list of words that the one line on stderr must hold."""
        *args, words = words_then_args
        done = run(*args, cwd=self.dir)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout[:200])
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(done.stdout, "")

    def kill_and_resume(self, args, times, low, high, seed):
        """Starts the same command over and over, each killed after low … high seconds; how often it was not done by then."""
        rng = np.random.default_rng(seed)
        killed = 0
        for _ in range(times):
            run = subprocess.Popen([UNRECT, *map(str, args)], cwd=self.dir, stdout=subprocess.DEVNULL)
            try:
                run.wait(timeout=rng.uniform(low, high))
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                killed += 1
        return killed

    def network(self, widths=(3, 8, 6, 2), seed=1):
        rng = np.random.default_rng(seed)
        arrays = {}
        for l in range(len(widths) - 1):
            arrays[f"W{l}"] = rng.normal(size=(widths[l + 1], widths[l])) * np.sqrt(2 / widths[l])
            arrays[f"b{l}"] = 0.3 * rng.normal(size=widths[l + 1])
        np.savez(self.dir / "net.npz", **arrays)
        return [(arrays[f"W{l}"], arrays[f"b{l}"]) for l in range(len(widths) - 1)]


def forward(layers, x):
    bits = []
    for w, b in layers[:-1]:
        z = w @ x + b
        bits.append((z > 0).astype(int).tolist())
        x = np.maximum(z, 0)
    return layers[-1][0] @ x + layers[-1][1], bits
