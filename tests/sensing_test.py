"""`unrect sense`, `recover` and `bench sensing` as a user runs them: formats, results, refusals."""
import json
import os
import struct
import unittest
import zlib

import numpy as np

from command import DATA, ROOT, Case, run

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels, interlaced=False, bits=8):
    """height × width (grey) or × channels; filter 0 everywhere."""
    pixels = np.asarray(pixels)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    height, width, channels = pixels.shape
    passes = [pixels[r::dr, c::dc] for r, c, dr, dc in ADAM7] if interlaced else [pixels]
    data = b"".join(b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes() for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, bits, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def read_png(data):
    """Of 8-bit grey without interlacing, all five filters."""
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, *rest = struct.unpack(">IIBBBBB", data[at + 8:at + 8 + size])
            assert rest == [8, 0, 0, 0, 0]
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width + 1)
    out = np.zeros((height + 1, width + 1), int)
    for i, line in enumerate(lines):
        for j, value in enumerate(line[1:].astype(int)):
            left, up, corner = out[i + 1, j], out[i, j + 1], out[i, j]
            p = left + up - corner
            paeth = min((left, up, corner), key=lambda v: abs(p - v))
            out[i + 1, j + 1] = (value + (0, left, up, (left + up) // 2, paeth)[line[0]]) % 256
    return out[1:, 1:]


def ssim(a, b):
    """By its definition, every window apart."""
    windows = [(a[i:i + 7, j:j + 7], b[i:i + 7, j:j + 7]) for i in range(a.shape[0] - 6) for j in range(a.shape[1] - 6)]
    values = []
    for x, y in windows:
        cov = np.cov(x.ravel(), y.ravel())
        mx, my = x.mean(), y.mean()
        values.append((2 * mx * my + 1e-4) * (2 * cov[0, 1] + 9e-4) / ((mx**2 + my**2 + 1e-4) * (cov[0, 0] + cov[1, 1] + 9e-4)))
    return np.mean(values)


def scene(height=40, width=50, seed=0):
    """Discs on a ramp, 8 bits."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = 60 + 100 * x / width
    for _ in range(6):
        image[(y - rng.uniform(0, height))**2 + (x - rng.uniform(0, width))**2 < rng.uniform(3, height / 3)**2] = rng.uniform(0, 255)
    return image.round().astype(int)


class Sensing(Case):
    def setUp(self):
        super().setUp()
        self.image = scene()
        (self.dir / "image.png").write_bytes(png(self.image))
        np.save(self.dir / "identity.npy", np.eye(16))
        self.folder("images", 2)

    def folder(self, name, count):
        (self.dir / name).mkdir()
        for i in range(count):
            (self.dir / name / f"scene{i}.png").write_bytes(png(scene(seed=i + 1)))

    def pixels(self, name):
        """What unrect reads from an image file, through an operator that keeps every pixel."""
        self.ok("sense", name, "--phi", "identity.npy", "--out", "pixels.npz")
        held = np.load(self.dir / "pixels.npz")
        height, width, block = held["size"]
        blocks = held["y"].reshape(-(-height // block), -(-width // block), block, block)
        return blocks.transpose(0, 2, 1, 3).reshape(blocks.shape[0] * block, -1)[:height, :width]

    def test_reads_every_kind_of_png(self):
        rng = np.random.default_rng(1)
        luma = np.array([0.299, 0.587, 0.114])
        for height, width in ((13, 21), (1, 1), (3, 2)):
            for interlaced in (False, True):
                for bits, white in ((8, 255), (16, 65535)):
                    grey = rng.integers(0, white + 1, (height, width))
                    color = rng.integers(0, white + 1, (height, width, 4))
                    plain = color[:, :, :3] @ luma / white
                    alpha = color[:, :, 3] / white
                    for pixels, expected in ((grey, grey / white), (color[:, :, :3], plain),
                                             (color, 1 + alpha * (plain - 1)),
                                             (np.stack([grey, color[:, :, 3]], 2), 1 + alpha * (grey / white - 1))):
                        (self.dir / "made.png").write_bytes(png(pixels, interlaced, bits))
                        np.testing.assert_allclose(self.pixels("made.png"), expected, atol=1e-12)
        (self.dir / "made.pgm").write_bytes(b"P5 21 13 65535\n" + grey.astype(">u2").tobytes() * 100)
        self.assertEqual(self.pixels("made.pgm").shape, (13, 21))

    def test_measures_as_numpy_does(self):
        self.ok("sense", "image.png", "--ratio", "0.3", "--operator", "orthonormal", "--block", "16", "--seed", "4", "--out", "y.npz")
        held = np.load(self.dir / "y.npz")
        self.assertEqual(held["y"].shape, (3 * 4, 77))
        self.assertEqual(bytes(held["operator"]), b"orthonormal")
        self.ok("sense", "image.png", "--ratio", "0.3", "--operator", "orthonormal", "--block", "16", "--seed", "4", "--noise", "0.1",
                "--out", "noisy.npz")
        self.assertAlmostEqual(np.std(np.load(self.dir / "noisy.npz")["y"] - held["y"]), 0.1, delta=0.01)
        self.ok("sense", "image.png", "--ratio", "0.3", "--operator", "orthonormal", "--block", "16", "--seed", "4",
                "--quantize", "0.25", "--noise", "0", "--out", "cells.npz")
        cells = np.load(self.dir / "cells.npz")
        np.testing.assert_allclose(cells["y"], (np.floor(held["y"] / 0.25) + 0.5) * 0.25)
        self.assertAlmostEqual(cells["noise"][0], 0.25 / 12**0.5)
        for step in ("0", "nan", "-1"):
            self.refused(2, "sense", "image.png", "--ratio", "0.3", "--quantize", step, "--out", "z.npz", ["--quantize", step, "1e-09"])
        phi = np.random.default_rng(2).normal(size=(30, 64))
        np.save(self.dir / "phi.npy", phi)
        self.ok("sense", "image.png", "--phi", "phi.npy", "--out", "y.npz")
        padded = np.zeros((40, 56))
        padded[:, :50] = self.image / 255
        blocks = padded.reshape(5, 8, 7, 8).transpose(0, 2, 1, 3).reshape(35, 64)
        np.testing.assert_allclose(np.load(self.dir / "y.npz")["y"], blocks @ phi.T, atol=1e-12)

    def test_recovers(self):
        for kind in ("gaussian", "bernoulli", "orthonormal", "hadamard", "dct", "fourier"):
            self.ok("sense", "image.png", "--ratio", "0.5", "--operator", kind, "--block", "16", "--seed", "1", "--out", "y.npz")
            for method in ("tv", "iht", "wavelet", "ksvd", "omp", "fista", "bp", "lmmse", "wiener") if kind == "gaussian" else ("tv",):
                learns = ("--train-folder", "images") if method in ("lmmse", "wiener", "ksvd") else ()
                got = json.loads(self.ok("recover", "y.npz", "--method", method, *learns, "--out", "x.png", "--reference", "image.png",
                                         "--json"))
                self.assertGreater(got["psnr"], 17, (kind, method))
                self.assertLessEqual(got["residual"], got["asked_residual"], (kind, method))
                found = read_png((self.dir / "x.png").read_bytes())
                error = ((found - self.image)**2).mean() / 255**2
                self.assertAlmostEqual(10 ** (-got["psnr"] / 10), error, delta=2e-6 + 0.01 * error)  # 8 bits round
                self.assertAlmostEqual(got["ssim"], ssim(found / 255, self.image / 255), delta=0.02)
        text = self.ok("recover", "y.npz", "--method", "tv", "--out", "x.png", "--reference", "image.png")
        self.assertIn("PSNR", text)

    def test_everything_measured_is_everything_known(self):
        self.ok("sense", "image.png", "--ratio", "1", "--operator", "orthonormal", "--block", "8", "--out", "y.npz")
        got = json.loads(self.ok("recover", "y.npz", "--method", "bp", "--out", "x.png", "--reference", "image.png", "--json"))
        np.testing.assert_array_equal(read_png((self.dir / "x.png").read_bytes()), self.image)
        self.assertLess(got["relative_residual"], 1e-6)

    def test_one_colour_and_images_smaller_than_a_block(self):
        for shape in ((20, 30), (1, 1), (2, 3)):
            for level in (0, 128, 255):
                (self.dir / "flat.png").write_bytes(png(np.full(shape, level)))
                self.ok("sense", "flat.png", "--ratio", "0.5", "--block", "10", "--out", "y.npz")
                for method in ("tv", "omp", "fista", "bp"):
                    self.ok("recover", "y.npz", "--method", method, "--out", "x.png")
                    self.assertEqual(read_png((self.dir / "x.png").read_bytes()).shape, shape)
                self.ok("recover", "y.npz", "--method", "tv", "--out", "x.png")
                self.assertLess(np.abs(read_png((self.dir / "x.png").read_bytes()) - level).max(), 8, (shape, level))

    def test_bench(self):
        got = json.loads(self.ok("bench", "sensing", "--data", "images", "--ratio", "0.4", "--operator", "orthonormal", "--block", "16",
                                 "--methods", "tv,omp,lmmse", "--train-folder", "images", "--picture", "montage.png", "--json"))
        self.assertEqual([m["method"] for m in got["methods"]], ["tv", "omp", "lmmse"])
        self.assertEqual(got["psnr"], max(m["psnr"] for m in got["methods"]))
        for m in got["methods"]:
            self.assertEqual(sorted(m["images"]), ["scene0", "scene1"])
            self.assertAlmostEqual(m["psnr"], np.mean(list(m["images"].values())))
            self.assertGreater(m["seconds_per_image"], 0)
            self.assertLess(m["ssim"], 1)
        self.assertTrue((self.dir / "montage.png").read_bytes().startswith(b"\x89PNG"))
        text = self.ok("bench", "sensing", "--data", "images", "--ratio", "0.4", "--block", "16", "--methods", "tv")
        for word in ("scene0", "mean dB", "mean SSIM"):
            self.assertIn(word, text)

    def test_bench_over_noise(self):
        methods = ["tv", "iht", "wavelet", "ksvd", "omp", "fista", "bp", "lmmse", "wiener"]
        args = ["bench", "sensing", "--data", "images", "--ratio", "0.3", "--block", "16", "--train-folder", "images",
                "--methods", ",".join(methods), "--noise", "0,0.02,0.2"]
        got = json.loads(self.ok(*args, "--picture", "noise.svg", "--json"))
        self.assertEqual([s["noise"] for s in got["sweep"]], [0, 0.02, 0.2])
        for step in got["sweep"]:
            self.assertEqual([m["method"] for m in step["methods"]], methods)
            for m in step["methods"]:
                self.assertLessEqual(m["residual_to_asked"], 1, (step["noise"], m["method"]))
        for k in range(len(methods)):
            clear, _, noisy = (s["methods"][k]["psnr"] for s in got["sweep"])
            self.assertGreater(clear, noisy + 0.5, methods[k])
        alone = json.loads(self.ok("bench", "sensing", "--data", "images", "--ratio", "0.3", "--block", "16", "--methods", "tv",
                                   "--noise", "0.02", "--json"))
        self.assertEqual(alone["psnr"], got["sweep"][1]["methods"][0]["psnr"])
        self.assertIn("<svg", (self.dir / "noise.svg").read_text())
        text = self.ok("bench", "sensing", "--data", "images", "--ratio", "0.3", "--methods", "tv", "--noise", "0,0.1")
        self.assertIn("noise σ", text)

    TRAIN = ("train", "--task", "recovery", "--phases", 2, "--channels", 6, "--batch", 4, "--samples", 64, "--rate", 0.5,
             "--trust", 0.05, "--warm-up", 5)

    def test_networks(self):
        """One that learned for a second beats the best affine map, from which it starts, on images that it has not seen."""
        np.save(self.dir / "phi.npy", np.linalg.qr(np.random.default_rng(0).normal(size=(1089, 109)))[0].T)
        self.ok(*self.TRAIN, "--data", "leaves", "--phi", "phi.npy", "--epochs", 12, "--crop", 50, "--seed", 1, "--out", "net.onnx")
        bench = ("bench", "sensing", "--data", "leaves", "--phi", "phi.npy", "--seed", 1, "--model", "net.onnx", "--json")
        both = json.loads(self.ok(*bench, "--methods", "net,lmmse", "--train-folder", "leaves"))
        scores = {method["method"]: method["psnr"] for method in both["methods"]}
        self.assertGreater(scores["net"], scores["lmmse"])
        alone = json.loads(self.ok(*bench))
        self.assertEqual(alone["psnr"], scores["net"])
        self.assertAlmostEqual(np.mean(list(alone["images"].values())), alone["psnr"])
        for key in ("ssim", "seconds_per_image"):
            self.assertGreater(alone[key], 0)
        # Images of any size, operators of any kind; what was measured is met.
        for kind in ("orthonormal", "gaussian", "dct"):
            self.ok("sense", "image.png", "--ratio", "0.3", "--operator", kind, "--out", "y.npz")
            found = json.loads(self.ok("recover", "y.npz", "--model", "net.onnx", "--out", "x.png", "--json"))
            self.assertLess(found["relative_residual"], 1e-6)
            self.assertEqual(read_png((self.dir / "x.png").read_bytes()).shape, self.image.shape)
        opened = json.loads(self.ok("inspect", "net.onnx", "--measurement", "y.npz", "--pixel", "3,4", "--filter", "f.png", "--json"))
        self.assertLess(opened["relative_residual"], 1e-9)
        self.assertGreaterEqual(opened["noise_gain"], 0.99)  # ΦA = I
        self.assertEqual(opened["channels"], 2 * 3 * 6)
        self.assertGreater(opened["active_units"], 0)
        self.assertEqual(opened["pixel"], [3, 4])
        self.assertTrue((self.dir / "f.png").read_bytes().startswith(b"\x89PNG"))
        self.assertIn("noise gain", self.ok("inspect", "net.onnx", "--measurement", "y.npz"))

    def test_networks_for_any_operator_resume_to_the_same_bits(self):
        train = (*self.TRAIN, "--data", "leaves", "--any-operator", "--epochs", 4, "--crop", 33, "--seed", 3)
        self.ok(*train, "--out", "once.onnx")
        self.ok(*train, "--threads", 2, "--out", "twice.onnx")
        resumable = (*train, "--checkpoint", "state.npz", "--every", 0, "--resume", "--out", "pieces.onnx")
        self.assertGreater(self.kill_and_resume(resumable, 4, 0.5, 1, seed=1), 0)
        self.ok(*resumable)
        for name in ("twice.onnx", "pieces.onnx"):
            self.assertEqual((self.dir / name).read_bytes(), (self.dir / "once.onnx").read_bytes())

    def test_refuses_networks(self):
        self.ok("random", "4,5,3", "--seed", 1, "--out", "other.onnx")
        self.ok("sense", "image.png", "--ratio", "0.1", "--out", "y.npz")
        recover = ("recover", "y.npz", "--out", "x.png")
        self.refused(4, *recover, "--model", "other.onnx", ["other.onnx", "unrect.mean"])
        self.refused(4, *recover, "--model", "image.png", ["image.png"])
        self.refused(4, *recover, "--model", "none.onnx", ["none.onnx"])
        self.refused(2, *recover, "--method", "net", ["--model"])
        self.refused(4, "inspect", "other.onnx", "--measurement", "y.npz", ["other.onnx", "unrect.mean"])
        self.refused(2, "inspect", "other.onnx", "--random", "--filter", "f.png", ["--measurement"])
        self.refused(2, *self.TRAIN, "--data", "leaves", ["measurements: 0"])
        self.refused(2, *self.TRAIN, "--data", "leaves", "--measurements", 1090, ["1089"])
        self.refused(2, *self.TRAIN, "--data", "leaves", "--measurements", 9, "--layers", 9, ["--layers", "--channels"])
        self.refused(2, *self.TRAIN, "--data", "leaves", "--any-operator", "--save-phi", "p.npy", ["--save-phi", "--any-operator"])
        self.refused(2, "train", "--task", "classify", "--data", "spiral", "--crop", 33, ["--crop", "images"])
        self.refused(2, *self.TRAIN, "--data", "images", "--measurements", 9, "--crop", 200, ["200"])
        (self.dir / "empty").mkdir()
        self.refused(4, *self.TRAIN, "--data", "empty", "--measurements", 9, ["empty", "no image"])
        self.refused(2, *self.TRAIN, "--data", "leaves", "--measurements", 9, "--method", "lbfgs", ["--rate", "--method"])
        self.refused(2, "train", "--task", "recovery", "--data", "leaves", "--measurements", 9, "--method", "lbfgs", ["lbfgs"])

    def test_bench_over_ratios(self):
        bench = ("bench", "sensing", "--data", "images", "--operator", "orthonormal", "--block", "8", "--methods", "omp,tv")
        got = json.loads(self.ok(*bench, "--ratios", "0.2,0.6", "--picture", "ratios.svg", "--json"))
        self.assertEqual([step["measurements"] for step in got["sweep"]], [13, 38])
        for one, ratio in zip(got["sweep"], ("0.2", "0.6")):
            alone = json.loads(self.ok(*bench, "--ratio", ratio, "--json"))
            self.assertEqual(one["images"], alone["images"])
        self.assertIn("<svg", (self.dir / "ratios.svg").read_text()[:200])
        self.refused(2, *bench, "--ratios", "0.2,0.6", "--noise", "0,0.1", ["--ratios"])
        self.refused(2, *bench, "--ratios", "0.2,1.1", ["1.1"])
        self.refused(2, *bench, "--ratios", "0.2", "--ratio", "0.2", ["--ratio"])

    def test_refuses_images(self):
        good = (self.dir / "image.png").read_bytes()
        sense = ["--ratio", "0.5", "--out", "y.npz"]
        (self.dir / "half.png").write_bytes(good[:len(good) // 2])
        self.refused(4, "sense", "half.png", *sense, ["half.png", "truncated"])
        huge = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 6, 0, 0, 0)
        (self.dir / "huge.png").write_bytes(good[:8] + chunk(b"IHDR", huge) + good[33:])
        self.refused(4, "sense", "huge.png", *sense, ["huge.png", "2147483647"])
        big = struct.pack(">IIBBBBB", 8000, 8000, 16, 6, 0, 0, 0)
        (self.dir / "big.png").write_bytes(good[:8] + chunk(b"IHDR", big) + good[33:])
        self.refused(4, "sense", "big.png", *sense, ["big.png", "8000"])
        (self.dir / "text.png").write_text("not an image")
        self.refused(4, "sense", "text.png", *sense, ["text.png", "PNG"])
        (self.dir / "empty.png").write_bytes(b"")
        self.refused(4, "sense", "empty.png", *sense, ["empty.png"])
        self.refused(4, "sense", "nothing.png", *sense, ["nothing.png"])
        (self.dir / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(50))
        self.refused(4, "sense", "bad.jpg", *sense, ["bad.jpg", "JPEG"])
        seeds = ROOT / "fuzz/corpus/image"
        self.refused(4, "sense", seeds / "cmyk.jpg", *sense, ["cmyk.jpg", "CMYK", "RGB"])
        for name in ("grey.jpg", "progressive.jpg", "palette.png"):
            self.ok("sense", seeds / name, *sense)
        (self.dir / "none").mkdir()
        bench = ["bench", "sensing", "--ratio", "0.5", "--methods", "tv", "--data"]
        self.refused(4, *bench, "none", ["none", "no image"])
        self.refused(4, *bench, "nowhere", ["nowhere"])
        (self.dir / "images" / "half.png").write_bytes(good[:60])
        self.refused(4, *bench, "images", ["half.png"])

    def test_refuses_options(self):
        out = ["--out", "y.npz"]
        for bad, words in ((("--ratio", "0"), ["ratio 0"]), (("--ratio", "1.5"), ["ratio 1.5"]), (("--ratio", "nan"), ["ratio"]),
                           ((), ["--ratio"]), (("--ratio", "0.5", "--operator", "magic"), ["magic", "hadamard"]),
                           (("--ratio", "0.5", "--operator", "hadamard", "--block", "33"), ["1089", "power of 2"]),
                           (("--ratio", "0.5", "--block", "0"), ["--block 0"]), (("--ratio", "0.5", "--noise", "-1"), ["-1"]),
                           (("--ratio", "0.5", "--block", "1000"), ["large"]),
                           (("--phi", "identity.npy", "--ratio", "0.5"), ["--ratio"]),
                           (("--phi", "identity.npy", "--block", "5"), ["5", "identity.npy"])):
            self.refused(2, "sense", "image.png", *bad, *out, words)
        np.save(self.dir / "odd.npy", np.ones((2, 10)))
        self.refused(2, "sense", "image.png", "--phi", "odd.npy", *out, ["odd.npy", "square"])
        self.refused(4, "sense", "image.png", "--ratio", "0.5", "--out", "nowhere/y.npz", ["nowhere"])
        bench = ["bench", "sensing", "--data", "images", "--ratio", "0.5"]
        self.refused(2, *bench, "--methods", "tv,magic", ["magic", "fista"])
        self.refused(2, *bench, "--methods", "lmmse", ["--train-folder"])
        self.refused(2, *bench, "--methods", "ksvd", ["ksvd", "--train-folder"])
        self.refused(2, *bench, "--methods", "tv", "--noise", "0,-1", ["--noise -1"])
        self.refused(4, *bench, "--methods", "tv", "--picture", "nowhere/x.png", ["nowhere"])
        self.refused(2, *bench, "--methods", "tv", "--picture", "x.gif", ["x.gif", ".png"])
        self.refused(2, *bench, "--methods", "lmmse", "--block", "64", "--train-folder", "images", ["64"])

    def test_one_grey(self):
        # Images of one grey teach nothing, and do no harm; a black one is met exactly.
        (self.dir / "flat").mkdir()
        for name in "ab":
            (self.dir / "flat" / f"{name}.png").write_bytes(png(np.full((60, 60), 99)))
        (self.dir / "black.png").write_bytes(png(np.zeros((40, 50))))
        self.ok("sense", "image.png", "--ratio", "0.25", "--operator", "orthonormal", "--block", "16", "--out", "y.npz")
        self.ok("sense", "black.png", "--ratio", "0.25", "--block", "16", "--out", "black.npz")
        for method in ("lmmse", "wiener"):
            got = json.loads(self.ok("recover", "y.npz", "--method", method, "--train-folder", "flat", "--out", "x.png",
                                     "--reference", "image.png", "--json"))
            self.assertGreater(got["psnr"], 10)
            self.assertLessEqual(got["residual"], got["asked_residual"])
            done = run("recover", "black.npz", "--method", method, "--train-folder", "images", "--out", "x.png", cwd=self.dir)
            self.assertEqual(done.stderr, "")
            self.assertEqual(read_png((self.dir / "x.png").read_bytes()).max(), 0)
        self.refused(2, *self.TRAIN, "--data", "flat", "--measurements", 9, ["flat", "one grey"])

    def test_noise_of_operators_that_are_far_from_orthonormal(self):
        # A square Gaussian Φ has singular values near 0: what they carry is noise.
        self.ok("sense", "image.png", "--ratio", "1", "--block", "16", "--noise", "0.05", "--out", "y.npz")
        self.ok(*self.TRAIN, "--data", "leaves", "--measurements", 200, "--epochs", 4, "--crop", 50, "--seed", 1, "--out", "net.onnx")
        got = json.loads(self.ok("recover", "y.npz", "--model", "net.onnx", "--out", "x.png", "--reference", "image.png", "--json"))
        self.assertGreater(got["psnr"], 18)

    def test_names_of_any_bytes(self):
        (self.dir / "bytes").mkdir()
        with open(os.path.join(os.fsencode(self.dir), b"bytes", b"\xff.png"), "wb") as file:
            file.write(png(self.image))
        got = json.loads(self.ok("bench", "sensing", "--data", "bytes/", "--ratio", "0.3", "--block", "16", "--methods", "omp", "--json"))
        self.assertEqual(len(got["images"]), 1)

    def test_measurements_that_no_image_gives(self):
        # Blocks at the edges have fewer pixels than measurements: rounded ones fit no image, nor do noisy ones called exact.
        self.ok("sense", "image.png", "--ratio", "0.5", "--block", "19", "--operator", "gaussian", "--out", "y.npz")
        held = dict(np.load(self.dir / "y.npz"))
        grey = -10 * np.log10(((self.image - self.image.mean()) ** 2).mean() / 255**2)
        noisy = held["y"] + 0.05 * np.random.default_rng(0).normal(size=held["y"].shape)
        for y, most, said in ((held["y"].astype(np.float32), 1e-6, False), (noisy, 0.1, True)):
            np.savez(self.dir / "bent.npz", **held | {"y": y})
            for method in ("tv", "iht", "omp", "fista"):
                done = run("recover", "bent.npz", "--method", method, "--out", "x.png", "--reference", "image.png", "--json", cwd=self.dir)
                got = json.loads(done.stdout)
                self.assertLess(got["relative_residual"], most, method)
                self.assertGreater(got["psnr"], grey + 6, method)
                self.assertEqual("no image near by gives these" in done.stderr, said, done.stderr)

    def test_refuses_measurements_that_do_not_fit(self):
        self.ok("sense", "image.png", "--ratio", "0.5", "--block", "16", "--out", "y.npz")
        held = dict(np.load(self.dir / "y.npz"))
        recover = ["recover", "bad.npz", "--method", "tv", "--out", "x.png"]
        for change, words in (({"y": held["y"][:-1]}, ["12 blocks"]), ({"seed": np.array([9])}, ["not the one"]),
                              ({"size": np.array([40, 500, 16])}, ["blocks"]), ({"size": np.array([40, 50])}, ["size"]),
                              ({"size": np.array([2**40, 2**40, 16])}, ["pixels"]), ({"y": held["y"] * np.nan}, ["finite"]),
                              ({"y": held["y"][:, :0]}, ["y"]), ({"noise": np.array([-1.0])}, ["noise"])):
            np.savez(self.dir / "bad.npz", **held | change)
            self.refused(4, *recover, ["bad.npz", *words])
        self.refused(2, "recover", "y.npz", "--method", "tv", "--model", "net.onnx", "--out", "x.png",
                     ["--model", "--method net"])
        self.refused(2, "sense", "image.png", "--ratio", "0.5", "--seed", "-1", "--out", "z.npz", ["--seed", "2^53"])
        np.save(self.dir / "zeros.npy", np.zeros((3, 64)))
        self.refused(2, "sense", "image.png", "--phi", "zeros.npy", "--out", "z.npz", ["zeros.npy", "zeros"])
        self.refused(2, "sense", "image.png", "--ratio", "0.5", "--noise", "1e308", "--out", "z.npz", ["1e+100"])
        np.savez(self.dir / "bad.npz", x=held["y"])
        self.refused(4, *recover, ["bad.npz", "unrect sense"])
        (self.dir / "bad.npz").write_bytes((self.dir / "y.npz").read_bytes()[:300])
        self.refused(4, *recover, ["bad.npz"])
        good = ["recover", "y.npz", "--method", "tv"]
        self.refused(4, *good, "--phi", "identity.npy", "--out", "x.png", ["y.npz", "16"])
        self.refused(2, *good, "--out", "x.jpg", ["x.jpg", ".png"])
        self.refused(2, "recover", "y.npz", "--method", "magic", "--out", "x.png", ["magic"])
        self.refused(2, "recover", "y.npz", "--method", "lmmse", "--out", "x.png", ["--train-folder"])
        (self.dir / "other.png").write_bytes(png(np.zeros((5, 5))))
        self.refused(2, *good, "--out", "x.png", "--reference", "other.png", ["other.png", "40 × 50"])


@unittest.skipUnless((DATA / "set11").is_dir() and (DATA / "phi").is_dir(), f"no test images at {DATA}")
class Set11(Case):
    def test_house(self):
        (self.dir / "one").mkdir()
        (self.dir / "one" / "house.png").symlink_to((DATA / "set11" / "house.png").resolve())
        got = json.loads(self.ok("bench", "sensing", "--data", "one", "--phi", DATA / "phi" / "phi_25_272x1089_f32.npy",
                                 "--methods", "tv", "--json"))
        self.assertGreater(got["images"]["house"], 32)
        self.assertGreater(got["ssim"], 0.8)

    def test_committed_models_still_mean_what_they_did(self):
        (self.dir / "one").mkdir()
        (self.dir / "one" / "house.png").symlink_to((DATA / "set11" / "house.png").resolve())
        for model, phi, expected in (("10", "phi_10_109x1089_f32.npy", 33.09), ("25", "phi_25_272x1089_f32.npy", 36.75),
                                     ("any", "phi_25_272x1089_f32.npy", 36.34)):
            got = json.loads(self.ok("bench", "sensing", "--data", "one", "--phi", DATA / "phi" / phi, "--model",
                                     ROOT / "models" / f"recovery-{model}.onnx", "--json"))
            self.assertAlmostEqual(got["images"]["house"], expected, delta=0.05, msg=model)


if __name__ == "__main__":
    unittest.main()
