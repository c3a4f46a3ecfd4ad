"""The command line as a user runs it: what it prints, what it writes, how it refuses."""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
import xml.dom.minidom
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


class Info(Case):
    def test_counts(self):
        self.network()
        info = json.loads(self.ok("info", "net.npz", "--json"))
        self.assertEqual(info["inputs"], 3)
        self.assertEqual(info["outputs"], 2)
        self.assertEqual(info["relu_units"], 14)
        self.assertEqual(info["parameters"], 3 * 8 + 8 + 8 * 6 + 6 + 6 * 2 + 2)
        self.assertIn("ReLU units", self.ok("info", "net.npz"))


class Inspect(Case):
    def test_agrees_with_numpy(self):
        layers = self.network()
        rng = np.random.default_rng(2)
        for _ in range(20):
            x = rng.normal(size=3)
            got = json.loads(self.ok("inspect", "net.npz", "--at", ",".join(map(repr, x.tolist())), "--json"))
            y, bits = forward(layers, x)
            np.testing.assert_allclose(got["output"], y, rtol=1e-13, atol=1e-14)
            self.assertEqual(got["configuration"], bits)
            a, c = np.array(got["affine_map"]["linear"]), np.array(got["affine_map"]["constant"])
            np.testing.assert_allclose(a @ x + c, y, rtol=1e-12, atol=1e-13)
            self.assertAlmostEqual(got["bounds"]["exact"], np.linalg.norm(a, 2), places=12)
            for bound in got["bounds"].values():
                self.assertGreaterEqual(bound * (1 + 1e-12), got["bounds"]["exact"])
            self.check_facets(layers, x, got)

    def check_facets(self, layers, x, got):
        _, bits = forward(layers, x)
        self.assertTrue(got["facets_complete"])
        center, radius = np.array(got["ball"]["center"]), got["ball"]["radius"]
        self.assertEqual(forward(layers, center)[1], bits)
        if got["ball"]["kind"] == "largest":
            rng = np.random.default_rng(3)
            for _ in range(50):
                v = rng.normal(size=x.size)
                inside = center + v / np.linalg.norm(v) * radius * (1 - 1e-9)
                self.assertEqual(forward(layers, inside)[1], bits)
        for facet in got["facets"]:
            normal, witness = np.array(facet["normal"]), np.array(facet["witness"])
            flipped = [list(layer) for layer in bits]
            flipped[facet["layer"]][facet["unit"]] ^= 1
            step = 1e-10 * (1 + np.linalg.norm(witness))
            self.assertEqual(forward(layers, witness + step * normal)[1], flipped)
            self.assertEqual(forward(layers, witness - step * normal)[1], bits)

    def test_point_from_files(self):
        self.network((784, 5, 2))
        images = np.arange(2 * 784, dtype=np.uint8).reshape(2, 28, 28)
        (self.dir / "images.idx").write_bytes(bytes([0, 0, 8, 3]) + np.array(images.shape, ">i4").tobytes() + images.tobytes())
        got = json.loads(self.ok("inspect", "net.npz", "--sample", "images.idx:1", "--json"))
        np.testing.assert_array_equal(got["input"], images[1].ravel() / 255)
        np.save(self.dir / "x.npy", images[1].astype(np.float32) / 255)
        again = json.loads(self.ok("inspect", "net.npz", "--at", "x.npy", "--json"))
        np.testing.assert_allclose(again["output"], got["output"], rtol=1e-6)

    def test_npz_and_pictures(self):
        layers = self.network()
        self.ok("inspect", "net.npz", "--random", "--seed", 4, "--out", "r.npz", "--slice", "pic", "--report", "r.html")
        region = np.load(self.dir / "r.npz")
        x = region["input"]
        np.testing.assert_allclose(region["A"] @ x + region["c"], forward(layers, x.ravel())[0], rtol=1e-12)
        self.assertTrue(np.all(region["normals"] @ x.ravel() <= region["offsets"] + 1e-12))
        self.assertEqual((self.dir / "pic.png").read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        xml.dom.minidom.parse(str(self.dir / "pic.svg"))
        page = (self.dir / "r.html").read_text()
        self.assertIn("Lipschitz", page)
        self.assertNotIn("http://" + "cdn", page)

    def test_configuration(self):
        np.savez(self.dir / "net.npz", W0=np.array([[1.0], [1.0]]), b0=np.array([0.0, -1.0]), W1=np.ones((1, 2)), b1=np.zeros(1))
        self.assertIn("occurs", self.ok("inspect", "net.npz", "--configuration", "10"))
        text = self.ok("inspect", "net.npz", "--configuration", "01")
        self.assertIn("does not occur", text)
        self.assertIn("verified in exact arithmetic", text)
        proof = json.loads(self.ok("inspect", "net.npz", "--configuration", "01", "--json"))
        self.assertFalse(proof["occurs"])
        self.assertTrue(proof["farkas_proven"])
        boxed = json.loads(self.ok("inspect", "net.npz", "--configuration", "11", "--box=-1,0.5", "--json"))
        self.assertFalse(boxed["occurs"])

    def test_a_proof_speaks_of_the_networks_own_numbers(self):
        """0.1 + 0.2 − 0.3 and a bias of its size: the rows of the polytope, rounded, say that 111,01 is empty."""
        np.savez(self.dir / "net.npz", W0=np.array([[0.1], [0.2], [1.0]]), b0=np.zeros(3),
                 W1=np.array([[1, 1, -0.3], [0, 0, 1]]), b1=np.array([-2.7755575615628914e-17, -0.75]),
                 W2=np.ones((1, 2)), b2=np.zeros(1))
        for box in [], ["--box", "0,2"]:
            for configuration in "111,01", "111,11":
                got = json.loads(self.ok("inspect", "net.npz", "--configuration", configuration, *box, "--json"))
                self.assertTrue(got["occurs"])
                x = got["ball"]["center"][0]
                self.assertTrue(0.75 < x < 1 if configuration == "111,01" else x > 1, x)

    def test_tied_units_occur_on_their_convention_alone(self):
        np.savez(self.dir / "net.npz", W0=np.array([[1.0], [0.0]]), b0=np.zeros(2), W1=np.ones((1, 2)), b1=np.zeros(1))
        self.assertTrue(json.loads(self.ok("inspect", "net.npz", "--configuration", "10", "--json"))["occurs"])
        got = json.loads(self.ok("inspect", "net.npz", "--configuration", "11", "--json"))
        self.assertFalse(got["occurs"])
        self.assertEqual(got["status"], "tied")
        self.assertIn("layer 0 unit 1", self.ok("inspect", "net.npz", "--configuration", "11"))

    def test_every_scale(self):
        for scale in 1e-300, 1e-200, 1e200:
            np.savez(self.dir / "net.npz", W0=np.array([[scale]]), b0=np.array([scale]), W1=np.ones((1, 1)), b1=np.zeros(1))
            got = json.loads(self.ok("inspect", "net.npz", "--at=-2", "--json"))
            self.assertAlmostEqual(got["nearest"]["distance"], 1)
            self.assertEqual(len(got["facets"]), 1)
        np.savez(self.dir / "net.npz", W0=np.array([[1e-200, 2e-200], [1, 1]]), b0=np.zeros(2), W1=np.ones((1, 2)), b1=np.zeros(1))
        got = json.loads(self.ok("inspect", "net.npz", "--at=-2,0.1", "--json"))
        self.assertAlmostEqual(got["nearest"]["distance"], 1.8 / 5 ** 0.5)
        self.assertEqual(got["nearest"]["units"][0]["unit"], 0)

    def test_an_apex_is_no_region(self):
        rng = np.random.default_rng(1)
        np.savez(self.dir / "net.npz", W0=np.vstack([np.eye(2), -np.eye(2)]), b0=np.zeros(4), W1=rng.normal(size=(1, 4)), b1=np.zeros(1))
        text = self.ok("inspect", "net.npz", "--at", "0,0")
        self.assertIn("no region", text)
        self.assertNotIn("Lipschitz bound  ", text)
        got = json.loads(self.ok("inspect", "net.npz", "--at", "0,0", "--json"))
        self.assertIs(got["is_region"], False)
        self.assertNotIn("bounds", got)
        self.assertIs(json.loads(self.ok("inspect", "net.npz", "--at", "0.1,0.2", "--json"))["is_region"], True)
        # One wall alone: a region that the point is on the edge of.
        np.savez(self.dir / "net.npz", W0=np.eye(2), b0=np.zeros(2), W1=np.ones((1, 2)), b1=np.zeros(1))
        got = json.loads(self.ok("inspect", "net.npz", "--at", "0,1", "--json"))
        self.assertIs(got["is_region"], True)
        self.assertIn("exact", got["bounds"])

    def test_the_configuration_is_that_of_the_networks_own_numbers(self):
        # Unit 1:0 is 2^-55 (x - 1), in doubles 2^-54 x - 2^-55 or 0.
        np.savez(self.dir / "net.npz", W0=np.array([[0.1], [0.2], [1]]), b0=np.zeros(3), W1=np.array([[1, 1, -0.3], [0, 0, 1]]),
                 b1=np.array([-2.7755575615628914e-17, -0.75]), W2=np.ones((1, 2)), b2=np.zeros(1))
        got = json.loads(self.ok("inspect", "net.npz", "--at", "0.75", "--json"))
        self.assertEqual(got["configuration"], [[1, 1, 1], [0, 0]])
        self.assertEqual(got["on_boundary"], [{"layer": 1, "unit": 1}])
        self.assertIs(got["is_region"], True)
        # A box of one unit in the last place: there is a region, and no double strictly inside.
        low = 0.9
        got = json.loads(self.ok("inspect", "net.npz", f"--at={low!r}", f"--box={low!r},{np.nextafter(low, 1)!r}", "--json"))
        self.assertEqual(got["ball"]["radius"], 0)
        self.assertIs(got["facets_complete"], False)

    def test_units_that_are_0_everywhere_are_no_boundary(self):
        np.savez(self.dir / "net.npz", W0=np.array([[1.0, 2.0], [0.0, 0.0], [3.0, -1.0]]), b0=np.zeros(3), W1=np.ones((1, 3)), b1=np.zeros(1))
        self.assertNotIn("on a boundary", self.ok("inspect", "net.npz", "--at", "1,1"))
        self.assertEqual(json.loads(self.ok("inspect", "net.npz", "--at", "1,3", "--json"))["on_boundary"], [{"layer": 0, "unit": 2}])

    def test_output_alone(self):
        layers = self.network()
        got = self.ok("inspect", "net.npz", "--at", "0.1,0.2,0.3", "--only", "output")
        np.testing.assert_allclose([float(line) for line in got.split()], forward(layers, np.array([0.1, 0.2, 0.3]))[0])
        wide = {"W0": np.ones((2, 150000), np.float32), "b0": np.zeros(2), "W1": np.ones((1, 2)), "b1": np.zeros(1)}
        np.savez(self.dir / "net.npz", **wide)
        np.save(self.dir / "x.npy", np.full(150000, 0.5))
        self.assertEqual(float(self.ok("inspect", "net.npz", "--at", "x.npy", "--only", "output")), 150000)
        self.refused(2, "inspect", "net.npz", "--at", "x.npy", "--only", "output", "--out", "r.npz", ["--only"])

    def test_one_wide_layer(self):
        """45,056 units at 16 inputs: neither their square in memory nor its root in time."""
        rng = np.random.default_rng(7)
        np.savez(self.dir / "net.npz", W0=rng.normal(size=(45056, 16)), b0=rng.normal(size=45056),
                 W1=rng.normal(size=(3, 45056)), b1=np.zeros(3))
        got = json.loads(self.ok("inspect", "net.npz", "--random", "--json"))
        self.assertTrue(got["facets_complete"])
        self.assertGreaterEqual(got["bounds"]["layered"], got["bounds"]["exact"])


class Convert(Case):
    def test_round_trips_through_onnx(self):
        layers = self.network()
        self.ok("convert", "net.npz", "--out", "net.onnx")
        self.ok("convert", "net.onnx", "--out", "back.npz")
        back = np.load(self.dir / "back.npz")
        for l, (w, b) in enumerate(layers):
            np.testing.assert_array_equal(back[f"W{l}"], w)
            np.testing.assert_array_equal(back[f"b{l}"], b)
        import onnx

        onnx.checker.check_model(onnx.load(str(self.dir / "net.onnx")))

    def test_says_what_onnxruntime_lacks(self):
        from onnx import TensorProto, checker, helper, load, numpy_helper, save

        def model(kernel):
            pads = [kernel // 2] * 4
            weights = np.random.default_rng(1).normal(size=(2, 1, kernel, kernel)).astype("f4")
            # Every node has the same name, which onnxruntime refuses.
            graph = helper.make_graph(
                [helper.make_node("Conv", ["x", "w"], ["c"], name="a", pads=pads), helper.make_node("Relu", ["c"], ["y"], name="a")],
                "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(weights, "w")])
            save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), str(self.dir / "conv.onnx"))

        def convert(*flags):
            said = self.ok("convert", "conv.onnx", "--out", "out.onnx", *flags)
            written = load(str(self.dir / "out.onnx"))
            checker.check_model(written)
            names = [node.name for node in written.graph.node]
            self.assertEqual(len(set(names)), len(names))
            return "onnxruntime has Conv in float32 alone" in said, "Conv" in {node.op_type for node in written.graph.node}

        model(3)
        self.assertEqual(convert(), (True, True))
        self.assertEqual(convert("--no-fold"), (True, True))
        self.assertEqual(convert("--float"), (False, True))
        self.assertEqual(convert("--int8"), (False, True))
        model(1)
        self.assertEqual(convert(), (False, False))

    def test_means_and_eight_bits(self):
        import onnx

        for seed in "123":
            self.ok("random", "2,64,64,3", "--seed", seed, "--out", f"net{seed}.onnx")
        self.ok("convert", "net1.onnx", "--mean", "net2.onnx,net3.onnx", "--float", "--out", "mean.onnx")
        self.ok("convert", "mean.onnx", "--int8", "--no-fold", "--out", "small.onnx")
        self.assertLess((self.dir / "small.onnx").stat().st_size, 0.4 * (self.dir / "mean.onnx").stat().st_size)
        for file in ("mean.onnx", "small.onnx"):
            onnx.checker.check_model(onnx.load(str(self.dir / file)))

        def answer(file):
            return np.array(json.loads(self.ok("inspect", file, "--at", "0.3,-0.7", "--json"))["output"])

        expected = sum(answer(f"net{seed}.onnx") for seed in "123") / 3
        np.testing.assert_allclose(answer("mean.onnx"), expected, atol=1e-6)
        self.assertLess(np.linalg.norm(answer("small.onnx") - expected), 0.03 * np.linalg.norm(expected))
        self.refused(2, "convert", "net1.onnx", "--int8", "--out", "small.npz", ["small.npz", ".onnx"])
        self.refused(4, "convert", "net1.onnx", "--mean", "nothing.onnx", "--out", "mean.onnx", ["nothing.onnx"])
        self.ok("random", "3,4,3", "--seed", "1", "--out", "other.onnx")
        self.refused(2, "convert", "net1.onnx", "--mean", "other.onnx", "--out", "mean.onnx", ["other.onnx", "3 → 3", "2 → 3"])
        # What all files say of themselves stays, but for what a mean no longer is.
        def marked(file, **says):
            model = onnx.load(str(self.dir / file))
            del model.metadata_props[:]
            onnx.helper.set_model_props(model, {f"unrect.{key}": value for key, value in says.items()})
            onnx.save(model, str(self.dir / file))
            return file
        said = lambda file: {p.key: p.value for p in onnx.load(str(self.dir / file)).metadata_props}
        marked("net1.onnx", phi="same", mean="0.5"), marked("net2.onnx", phi="same", mean="0.5"), marked("net3.onnx", phi="other")
        self.ok("convert", "net1.onnx", "--out", "one.onnx")
        self.assertEqual(said("one.onnx"), {"unrect.phi": "same", "unrect.mean": "0.5"})
        self.ok("convert", "--mean", "net2.onnx", "net1.onnx", "--out", "two.onnx")
        self.assertEqual(said("two.onnx"), {"unrect.phi": "same"})
        self.ok("convert", "net1.onnx", "--mean", "net2.onnx,net3.onnx", "--out", "three.onnx")
        self.assertEqual(said("three.onnx"), {})
        for seed in ("-1", "1.5", "9007199254740993", "1e30"):
            self.refused(2, "random", "2,3,2", "--seed", seed, "--out", "net.onnx", ["--seed", seed, "2^53"])


class Help(Case):
    # Flags of a verb, and the fields of the structs in docs/options.md (which tests/options_test.cpp compares with them).
    FLAGS = {
        ("train",): {
            "TrainOptions": "epochs momentum warm-up patience groups bfloat16 lipschitz-budget=lipschitz every=checkpoint_seconds method",
            "RecipeOptions": "layers batch rate damping trust decay linear-output consistent=consistency log-loss=log_scale",
            "DataRequest": "task data samples validation measurements phi augment any-operator start teachers phases channels crop seed"},
        ("regions",): {"ExploreOptions": "max-regions checkpoint every=checkpoint_seconds", "ImportOptions": "cut-softmax"},
        ("verify",): {"VerifyOptions": "time-limit", "ImportOptions": "cut-softmax"},
        ("signal", "dictionary"): {"KsvdOptions": "atoms sparsity iterations"}}
    OWN = ("--consistent",)  # has a default of the verb's own: what it stands for without a number

    def test_it_says_what_the_structs_say(self):
        page = (ROOT / "docs/options.md").read_text()
        for verb, structs in self.FLAGS.items():
            said = {part.split()[0].split(",")[0]: part for part in re.split(r"\n  (?=-)", self.ok(*verb, "--help"))}
            for struct, flags in structs.items():
                table = page.split(f"\n## `{struct}`")[1].split("\n## ")[0]
                rows = [re.split(r" (?<!\\)\| ", line[2:-2]) for line in table.splitlines() if line.startswith("| `")]
                fields = {row[0].strip("`"): row[1:] for row in rows}
                for flag in flags.split():
                    name, _, field = flag.partition("=")
                    default, values, meaning = fields[field or name.replace("-", "_")]
                    text = " ".join(said["--" + name].split())
                    self.assertIn(meaning, text, (verb, name))
                    if values not in ("", "on, off"):
                        self.assertIn(":" + values.removesuffix(" each"), text, (verb, name))
                    if default not in ("none", "off") and "--" + name not in self.OWN:
                        self.assertRegex(text, rf"={re.escape(default)} |\(default: {re.escape(default)}\)", (verb, name))

    def test_what_is_out_of_range_is_named(self):
        for args, words in (
                (["verify", "net.onnx", "p.vnnlib", "--time-limit", "1e12"], ["--time-limit", "1e12", "a number of 0 … 1e+09"]),
                (["verify", "net.onnx", "p.vnnlib", "--time-limit", "nan"], ["--time-limit", "nan"]),
                (["regions", "net.onnx", "--box=0,1", "--max-regions", "0"], ["--max-regions", "0", "a whole number ≥ 1"]),
                (["train", "--data", "spiral", "--momentum", "1"], ["--momentum", "1", "≥ 0 and < 1"]),
                (["train", "--data", "spiral", "--epochs", "2.5"], ["--epochs", "2.5"]),
                (["train", "--data", "spiral", "--task", "classes"], ["classes", "recovery, classify, regress"])):
            self.refused(2, *args, words)


class Refusals(Case):
    def test_bad_files(self):
        self.refused(4, "info", "nothing.onnx", ["nothing.onnx", "No such file"])
        (self.dir / "folder.onnx").mkdir()
        self.refused(4, "info", "folder.onnx", ["folder.onnx", "regular file"])
        (self.dir / "empty.onnx").write_bytes(b"")
        self.refused(4, "info", "empty.onnx", ["empty.onnx"])
        (self.dir / "noise.onnx").write_bytes(bytes(range(256)) * 8)
        self.refused(4, "info", "noise.onnx", ["noise.onnx"])
        (self.dir / "net.txt").write_text("?")
        self.refused(2, "info", "net.txt", [".onnx", ".npz"])
        self.network()
        whole = (self.dir / "net.npz").read_bytes()
        (self.dir / "half.npz").write_bytes(whole[: len(whole) // 2])
        self.refused(4, "inspect", "half.npz", "--random", ["half.npz"])
        arrays = dict(np.load(self.dir / "net.npz"))
        arrays["W1"][0, 0] = np.nan
        np.savez(self.dir / "nan.npz", **arrays)
        self.refused(4, "info", "nan.npz", ["nan.npz", "W1"])
        arrays["W1"] = np.zeros((6, 9))
        np.savez(self.dir / "shape.npz", **arrays)
        self.refused(4, "info", "shape.npz", ["shape.npz", "W1"])

    def test_bad_points(self):
        self.network()
        self.refused(2, "inspect", "net.npz", "--at", "1,2", ["3"])
        self.refused(2, "inspect", "net.npz", "--at", "1,nan,2", ["--at"])
        self.refused(2, "inspect", "net.npz", "--at", "1,,2", ["--at"])
        self.refused(2, "inspect", "net.npz", ["--at"])
        self.refused(2, "inspect", "net.npz", "--at", "1,2,3", "--random", ["--random"])
        self.refused(2, "inspect", "net.npz", "--configuration", "01,1", ["layer 0"])
        self.refused(2, "inspect", "net.npz", "--at", "0,0,0", "--box", "1,0", ["[1, 0]"])
        self.refused(2, "inspect", "net.npz", "--at", "0,0,0", "--slice", "p", "--plane", "0,9", ["9"])
        self.refused(4, "inspect", "net.npz", "--at", "0,0,0", "--out", "nowhere/r.npz", ["nowhere/r.npz"])
        self.refused(2, "open", "net.npz", ["open"])
        self.refused(2, "inspect", "net.npz", "--at", "0,0,0", "--box", "5,6", ["outside"])
        self.refused(2, "inspect", "net.npz", "--at", "0,0,0", "--box=-1,1,0,0,-1,1", ["--box", "input 1", "held at 0"])
        np.savez(self.dir / "steep.npz", W0=np.full((2, 1), 4.0), b0=np.zeros(2), W1=np.ones((1, 2)), b1=np.zeros(1))
        self.refused(2, "inspect", "steep.npz", "--at", "1e308", ["overflows"])
        os.mkfifo(self.dir / "pipe.npz")
        self.refused(4, "inspect", "net.npz", "--at", "0,0,0", "--out", "pipe.npz", ["pipe.npz", "regular"])
        self.assertTrue((self.dir / "pipe.npz").is_fifo())

    def test_full_disk_leaves_nothing_behind(self):
        if not os.access("/dev/full", os.W_OK):
            self.skipTest("no /dev/full here")
        self.network()
        with open("/dev/full", "w") as full:
            done = subprocess.run([UNRECT, "info", "net.npz"], cwd=self.dir, stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 4)
        self.assertIn(b"standard output", done.stderr)


class Regions(Case):
    def count(self, *args):
        return json.loads(self.ok("regions", *args, "--json"))

    def facts(self, result):
        return {key: value for key, value in result.items() if key not in ("seconds", "threads")}

    def test_counts_what_random_points_find(self):
        layers = self.network((2, 6, 5, 1))
        found = self.count("net.npz", "--box=-2,2", "--certify")
        self.assertTrue(found["certified"] and found["complete"])
        self.assertEqual(found["regions_per_layer"][-1], found["regions"])
        self.assertEqual(sum(found["active_units"].values()), found["regions"])
        rng = np.random.default_rng(1)
        seen = {str(forward(layers, x)[1]) for x in rng.uniform(-2, 2, size=(20000, 2))}
        self.assertLessEqual(len(seen), found["regions"])
        self.assertGreater(len(seen), 0.8 * found["regions"])

    def test_all_lines_through_one_point(self):
        angles = np.arange(7) / 7 * np.pi
        np.savez(self.dir / "net.npz", W0=np.c_[np.cos(angles), np.sin(angles)], b0=np.zeros(7), W1=np.ones((1, 7)), b1=np.zeros(1))
        for box in ("-1,1", "0,1", "-1,1,0,1"):
            found = self.count("net.npz", f"--box={box}", "--certify")
            self.assertTrue(found["certified"])
            self.assertEqual(found["regions"], {"-1,1": 14, "0,1": 4, "-1,1,0,1": 8}[box])

    def test_distinct_maps_of_many_inputs(self):
        for k in (30, 64, 70, 784):
            self.network((k, 3, 2))
            found = self.count("net.npz", "--box=-1,1", "--distinct-maps")
            self.assertEqual((found["regions"], found["distinct_maps"], found["complete"]), (8, 8, True))

    def test_a_certificate_of_a_pruned_network(self):
        rng = np.random.default_rng(4)
        for k in (3, 7):
            W0, b0 = rng.normal(size=(6, k)), rng.normal(size=6)
            W0[2], b0[2] = 0, 0
            np.savez(self.dir / "net.npz", W0=W0, b0=b0, W1=rng.normal(size=(1, 6)), b1=np.zeros(1))
            found = self.count("net.npz", "--box=-1,1", "--certify")
            self.assertTrue(found["certified"])
            self.assertTrue(all(check["made"] for check in found["certificate"]))
            self.assertIn("membership", [check["check"] for check in found["certificate"]])

    def test_a_limit_is_met_whatever_the_threads(self):
        self.network((3, 16, 16, 1))
        first = self.facts(self.count("net.npz", "--box=-1,1", "--max-regions", 700))
        self.assertEqual((first["regions"], first["complete"]), (700, False))
        for threads in (1, 2, 4, 2, 4):
            self.assertEqual(self.facts(self.count("net.npz", "--box=-1,1", "--max-regions", 700, "--threads", threads)), first)
        if MPI:
            for ranks in (2, 3):
                done = subprocess.run([*MPI, "-n", str(ranks), UNRECT + "-mpi", "regions", "net.npz", "--box=-1,1", "--max-regions", "700", "--json"],
                                      cwd=self.dir, capture_output=True, text=True, timeout=120)
                self.assertEqual(self.facts(json.loads(done.stdout)), first)

    def test_points_that_are_the_regions_own(self):
        np.savez(self.dir / "net.npz", W0=np.array([[0.1], [0.2], [1]]), b0=np.zeros(3), W1=np.array([[1, 1, -0.3], [0, 0, 1]]),
                 b1=np.array([-2.7755575615628914e-17, -0.75]), W2=np.ones((1, 2)), b2=np.zeros(1))
        self.ok("regions", "net.npz", "--box=0,2", "--out", "regions", "--keep", "vertices")
        shard = np.load(next((self.dir / "regions").glob("*.npz")))
        of = {tuple(p): i for i, p in enumerate(shard["pieces"])}
        i = of[1, 1, 1, 0, 1]
        self.assertEqual(sorted(shard["vertices"][shard["vertex_starts"][i]:shard["vertex_starts"][i + 1], 0]), [0.75, 1])
        self.assertTrue(0.75 < shard["points"][i, 0] < 1)
        self.assertTrue(shard["has_point"].all())
        np.savez(self.dir / "net.npz", W0=np.array([[3.0], [1]]), b0=np.array([-1, -1 / 3]), W1=np.ones((1, 2)), b1=np.zeros(1))
        self.assertIn("1 of them too thin", self.ok("regions", "net.npz", "--box=0,1", "--out", "thin"))
        thin = np.load(next((self.dir / "thin").glob("*.npz")))
        self.assertEqual(thin["has_point"].tolist(), [1, 0, 1])
        self.assertEqual(np.isnan(thin["points"][:, 0]).tolist(), [False, True, False])

    def test_certifies_many_inputs_by_facets(self):
        self.network((7, 5, 4, 1))
        one = self.count("net.npz", "--box=-1,1", "--certify")
        two = self.count("net.npz", "--box=-1,1", "--certify", "--threads", "2")
        self.assertTrue(one["certified"])
        self.assertEqual([c["check"] for c in one["certificate"]], ["regions", "facets", "continuity", "membership"])
        self.assertEqual(self.facts(one), self.facts(two))

    def test_fixed_inputs_threads_and_slices(self):
        self.network((4, 10, 8, 2))
        one = self.count("net.npz", "--box=-1,1,-1,1,0.25,0.25,-1,1")
        self.assertEqual(one["dimension"], 3)
        for threads in (2, 4):
            again = self.count("net.npz", "--box=-1,1,-1,1,0.25,0.25,-1,1", "--threads", threads)
            self.assertEqual(self.facts(one), self.facts(again))
        np.save(self.dir / "x.npy", np.zeros(4))
        plane = self.count("net.npz", "--slice", "x.npy", "1,0,0,0", "0,1,0,0", "--certify")
        self.assertEqual(plane["dimension"], 2)
        self.assertTrue(plane["certified"])
        self.ok("regions", "net.npz", "--slice", "x.npy", "--picture", "p", "--frames", "--color", "output", "--html", "p.html")
        for name in ("p-0.png", "p-1.png"):
            self.assertEqual((self.dir / name).read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        xml.dom.minidom.parse(str(self.dir / "p-1.svg"))
        self.assertIn("<canvas", (self.dir / "p.html").read_text())

    def test_a_pictures_name_says_which_files(self):
        self.network((2, 5, 4, 2))
        plane = ["regions", "net.npz", "--box=-1,1", "--picture"]
        inspect = ["inspect", "net.npz", "--at", "0.1,0.2", "--slice"]
        phases = ["signal", "phases", "--n", "10", "--cells", "2", "--trials", "1", "--out"]
        atoms = ["signal", "dictionary", "--atoms", "4", "--patch", "3", "--samples", "50", "--iterations", "1", "--sparsity", "1", "--out"]
        loss = ["train", "--task", "classify", "--data", "spiral", "--samples", "60", "--layers", "4", "--epochs", "2", "--plot"]
        digits = ["bench", "recovery", "--data", "digits", "--samples", "60", "--measurements", "9", "--sparse", "2", "--picture"]
        images = ["bench", "sensing", "--data", "leaves", "--ratio", "0.5", "--block", "16", "--methods", "omp", "--picture"]
        for args in (plane, inspect, phases, atoms, loss, digits, images):
            for name, files in (("pp.png", ["pp.png"]), ("pp.svg", ["pp.svg"]), ("pp", ["pp.png", "pp.svg"])):
                before = set(os.listdir(self.dir))
                self.ok(*args, name)
                new = sorted(f for f in set(os.listdir(self.dir)) - before if "-residuals" not in f)
                self.assertEqual(new, files, args)
                for file in set(os.listdir(self.dir)) - before:
                    start = (self.dir / file).read_bytes()[:4]
                    self.assertEqual(start, b"\x89PNG" if file.endswith(".png") else b"<?xm", file)
                    (self.dir / file).unlink()
            self.refused(2, *args, "pp.jpg", [args[-1], "pp.jpg", ".png", ".svg"])
            self.refused(4, *args, "nowhere/pp", [args[-1], "nowhere"])
        self.ok(*plane, "p.png", "--frames")
        self.assertTrue((self.dir / "p-0.png").exists() and (self.dir / "p-1.png").exists())
        self.assertFalse((self.dir / "p-0.svg").exists() or (self.dir / "p.png").exists())

    def test_a_constant_region_leaves_the_others_their_colours(self):
        # Slopes from 1 to 7, and 0 where no unit is on.
        np.savez(self.dir / "net.npz", W0=np.array([[1.0, 0], [0, 1], [1, 1]]), b0=np.array([-0.1, -0.2, -0.9]),
                 W1=np.array([[1.0, 2, 3]]), b1=np.zeros(1))
        self.ok("regions", "net.npz", "--box=-1,1", "--picture", "p.svg", "--color", "lipschitz")
        picture = (self.dir / "p.svg").read_text()
        fills = {tuple(float(c) / 100 for c in re.findall(r"[\d.]+", f)) for f in
                 re.findall(r"<path[^>]*?fill:rgb\(([^)]*)\);[^>]*stroke:rgb\(100%,100%,100%\)", picture)}
        self.assertGreater(len(fills), 4, fills)
        grey = [f for f in fills if max(f) - min(f) < 0.05]
        self.assertEqual(len(grey), 1, fills)  # the constant one
        others = np.array(sorted(fills - set(grey)))
        apart = np.linalg.norm(others[:, None] - others[None], axis=2)
        self.assertGreater(apart.max(), 0.8)

    def test_the_count_outlives_a_picture_that_fails(self):
        if not os.access("/dev/full", os.W_OK):
            self.skipTest("no /dev/full here")
        self.network((2, 6, 5, 1))
        (self.dir / "p.png").symlink_to("/dev/full")
        done = run("regions", "net.npz", "--box=-1,1", "--picture", "p.png", cwd=self.dir)
        self.assertEqual(done.returncode, 4)
        self.assertRegex(done.stdout, r"^\d+ regions in 2 dimensions")
        self.assertIn("p.png", done.stderr)
        # What can be known before is said before.
        self.refused(2, "regions", "net.npz", "--box=-1,1", "--picture", "p", "--color", "output", "--output", "3", ["--output 3", "1"])

    def test_a_page_names_every_colouring_once(self):
        self.network((2, 6, 5, 2))
        self.ok("regions", "net.npz", "--box=-1,1", "--html", "p.html")
        page = (self.dir / "p.html").read_text()
        manifest = json.loads(re.search(r'<script id="manifest"[^>]*>(.*?)</script>', page, re.S).group(1))
        self.assertEqual(manifest["outputs"], ["y0", "y1"])
        self.assertEqual([c["name"] for c in manifest["columns"]],
                         ["active units", "local Lipschitz constant", "deepest layer around it"])

    def test_options_that_nothing_would_look_at(self):
        self.network((2, 6, 5, 2))
        regions = ["regions", "net.npz", "--box=-1,1"]
        inspect = ["inspect", "net.npz", "--at", "0.1,0.2"]
        decide = ["inspect", "net.npz", "--configuration", "000000,00000"]
        for args, words in (
            ([*regions, "--color", "layer"], ["--color", "--picture"]),
            ([*regions, "--color", "layer", "--html", "p.html"], ["--color", "--picture"]),
            ([*regions, "--picture", "p", "--output", "1"], ["--output", "--color output"]),
            ([*regions, "--frames"], ["--frames", "--picture"]),
            ([*regions, "--boundary"], ["--boundary", "--picture"]),
            ([*regions, "--keep", "maps"], ["--keep", "--out"]),
            ([*regions, "--every", "3"], ["--every", "--checkpoint"]),
            ([*regions, "--resume"], ["--resume", "--checkpoint"]),
            ([*regions, "--radius", "3"], ["--radius", "--slice"]),
            ([*regions, "--raw"], ["--raw", "--slice"]),
            ([*regions, "--seed", "3"], ["--seed", "--slice"]),
            ([*regions, "--case", "0"], ["--case", "--vnnlib"]),
            (["regions", "net.npz", "--slice", "0,0", "1,0", "0,1", "--radius", "2"], ["--radius", "--slice"]),
            ([*inspect, "--plane", "0,1"], ["--plane", "--slice"]),
            ([*inspect, "--raw"], ["--raw", "--sample"]),
            ([*inspect, "--pixel", "0,1"], ["--pixel", "--measurement"]),
            ([*inspect, "--filter", "f.png"], ["--filter", "--measurement"]),
            ([*decide, "--top", "3"], ["--top", "--configuration"]),
            ([*decide, "--seed", "3"], ["--seed", "--configuration"]),
            ([*decide, "--all-facets"], ["--all-facets", "--configuration"]),
            (["bench", "sensing", "--data", "leaves", "--ratio", "0.5", "--methods", "tv", "--model", "n.onnx"], ["--model", "--methods net"]),
            (["bench", "sensing", "--data", "leaves", "--ratio", "0.5", "--methods", "tv", "--train-folder", "x"],
             ["--train-folder", "lmmse"]),
            (["bench", "sensing", "--data", "leaves", "--ratio", "0.5", "--methods", "tv", "--gain"], ["--gain", "--model"]),
            (["recover", "y.npz", "--method", "tv", "--train-folder", "x", "--out", "x.png"], ["--train-folder", "lmmse"]),
            (["recover", "y.npz", "--method", "tv", "--model", "x.onnx", "--out", "x.png"], ["--model", "--method net"]),
            (["convert", "net.npz", "--float", "--out", "back.npz"], ["--float", ".onnx"])):
            self.refused(2, *args, words)

    def test_killed_at_any_moment_and_resumed(self):
        self.network((3, 40, 40, 1))
        whole = self.facts(self.count("net.npz", "--box=-2,2", "--certify"))
        args = ["regions", "net.npz", "--box=-2,2", "--certify", "--json", "--checkpoint", "run.ckpt", "--every", "0.02", "--resume"]
        self.kill_and_resume(args, 20, 0.01, 0.3, seed=3)
        self.assertEqual(self.facts(json.loads(self.ok(*args))), whole)

    def test_stops_and_goes_on(self):
        self.network((3, 30, 30, 1))
        whole = self.facts(self.count("net.npz", "--box=-2,2"))
        part = self.count("net.npz", "--box=-2,2", "--max-regions", 500, "--checkpoint", "c")
        self.assertFalse(part["complete"])
        self.assertLess(part["regions"], whole["regions"])
        self.assertEqual(self.facts(self.count("net.npz", "--box=-2,2", "--checkpoint", "c", "--resume")), whole)
        self.refused(2, "regions", "net.npz", "--box=-2,3", "--checkpoint", "c", "--resume", ["c", "another"])
        self.refused(2, "regions", "net.npz", "--box=-2,2", "--certify", "--checkpoint", "c", "--resume", ["c", "certificate"])
        whole_file = (self.dir / "c").read_bytes()
        (self.dir / "c").write_bytes(whole_file[:-3])
        self.refused(4, "regions", "net.npz", "--box=-2,2", "--checkpoint", "c", "--resume", ["c", "checkpoint"])

    def test_refuses(self):
        self.network()
        self.refused(2, "regions", "net.npz", ["--box", "no end"])
        self.refused(2, "regions", "net.npz", "--box=1,1", ["--box", "one point, (1, 1, 1)"])
        self.refused(2, "regions", "net.npz", "--box=1,-1", ["--box", "[1, -1]"])
        self.refused(2, "regions", "net.npz", "--box=nan,1", ["--box", "nan"])
        self.refused(2, "regions", "net.npz", "--box=-1,1", "--picture", "p", ["2 dimensions"])
        self.refused(2, "regions", "net.npz", "--box=-1,1", "--resume", ["--checkpoint"])
        self.refused(2, "regions", "net.npz", "--slice", "0,0,0", "1,1,1", "2,2,2", ["on a line"])
        self.refused(2, "regions", "net.npz", "--box=-1,1", "--threads", "0", ["--threads"])
        self.refused(4, "regions", "net.npz", "--box=-1,1", "--checkpoint", "nowhere/c", ["nowhere/c"])
        self.refused(4, "regions", "net.npz", "--vnnlib", "net.npz", ["net.npz"])

    def property(self, inputs, *constraints, outputs=1):
        names = [f"X_{i}" for i in range(inputs)] + [f"Y_{i}" for i in range(outputs)]
        bounds = [f"(and (>= X_{i} 0) (<= X_{i} 1))" for i in range(inputs)]
        (self.dir / "p.vnnlib").write_text("".join(f"(declare-const {name} Real)\n" for name in names) +
                                           "".join(f"(assert {c})\n" for c in [*bounds, *constraints]))

    def test_domains_without_an_interior(self):
        self.network((4, 9, 9, 1))
        weights = dict(np.load(self.dir / "net.npz"))
        folded = dict(weights, W0=weights["W0"][:, :3] + np.outer(weights["W0"][:, 3], [0, 1, 0]))
        np.savez(self.dir / "folded.npz", **folded)
        tied = "(<= X_1 X_3)", "(>= X_1 X_3)"
        self.property(4, *tied)
        found = self.count("net.npz", "--vnnlib", "p.vnnlib", "--certify")
        self.assertEqual((found["dimension"], found["domain_rounding"], found["certified"]), (3, 0, True))
        self.assertEqual(found["regions"], self.count("folded.npz", "--box=0,1")["regions"])
        self.property(4, *tied, "(<= (+ X_0 X_2) 0)")
        self.assertIn(" regions in 1 dimensions", self.ok("regions", "net.npz", "--vnnlib", "p.vnnlib"))
        self.property(4, *tied, "(<= (+ X_0 X_1 X_2) 0)")
        self.refused(2, "regions", "net.npz", "--vnnlib", "p.vnnlib", ["p.vnnlib", "one point, (0, 0, 0, 0)"])
        self.property(4, *tied, "(<= (+ X_0 X_1 X_2) -0.25)")
        self.refused(2, "regions", "net.npz", "--vnnlib", "p.vnnlib", ["p.vnnlib", "empty", "x0 + x1 + x2 ≤ -0.25"])
        self.property(4, "(>= X_2 2)")
        self.refused(2, "regions", "net.npz", "--vnnlib", "p.vnnlib", ["p.vnnlib", "empty", "X_2 ≥ 2 and X_2 ≤ 1"])
        # What doubles cannot hold is rounded, and said to be.
        self.property(4, "(<= (* 3 X_2) 1)", "(>= (* 3 X_2) 1)")
        found = self.count("net.npz", "--vnnlib", "p.vnnlib")
        self.assertEqual(found["dimension"], 3)
        self.assertTrue(0 < found["domain_rounding"] < 1e-16)
        self.assertIn("rounded to doubles", self.ok("regions", "net.npz", "--vnnlib", "p.vnnlib"))
        self.property(4, *tied)
        self.assertNotIn("rounded", self.ok("regions", "net.npz", "--vnnlib", "p.vnnlib"))

    def test_properties_of_other_networks(self):
        self.network((2, 5, 2))
        self.property(2, "(<= Y_0 Y_1)", outputs=2)
        self.ok("regions", "net.npz", "--vnnlib", "p.vnnlib")
        self.property(2, "(<= Y_0 Y_2)", outputs=3)
        self.refused(2, "regions", "net.npz", "--vnnlib", "p.vnnlib", ["p.vnnlib", "line 5", "Y_2", "2 outputs"])
        self.property(3, "(<= Y_0 Y_1)", outputs=2)
        self.refused(2, "regions", "net.npz", "--vnnlib", "p.vnnlib", ["p.vnnlib", "line 3", "X_2", "2 inputs"])
        self.property(1, "(<= Y_0 Y_1)", outputs=2)
        self.refused(2, "regions", "net.npz", "--vnnlib", "p.vnnlib", ["p.vnnlib", "X_1", "2 inputs"])
        text = (self.dir / "p.vnnlib").read_text().replace("(<= X_0 1)", "(<= X_0 X_1)")
        (self.dir / "p.vnnlib").write_text("(declare-const X_1 Real)(assert (<= 0 X_1))" + text)
        self.refused(4, "regions", "net.npz", "--vnnlib", "p.vnnlib", ["p.vnnlib", "X_0", "upper bound"])

    @unittest.skipUnless(MPI, "no mpirun, or unrect-mpi is not built")
    def test_ranks(self):
        self.network((3, 30, 30, 1))
        whole = self.facts(self.count("net.npz", "--box=-2,2", "--certify"))
        for ranks in (1, 2, 3):
            done = subprocess.run([*MPI, "-n", str(ranks), UNRECT + "-mpi", "regions", "net.npz", "--box=-2,2", "--certify", "--json"],
                                  cwd=self.dir, capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.facts(json.loads(done.stdout)), whole)


@unittest.skipUnless(DATA.is_dir(), f"no real networks at {DATA}")
class RealNetworks(Case):
    def test_regions_of_a_property(self):
        acas = DATA / "onnx/acasxu"
        found = json.loads(self.ok("regions", acas / "ACASXU_run2a_1_1_batch_2000.onnx", "--vnnlib", acas / "prop_4.vnnlib",
                                   "--count-only", "--json"))
        self.assertEqual((found["regions"], found["dimension"]), (19143, 4))

    def test_acas_xu(self):
        net = DATA / "onnx/acasxu/ACASXU_run2a_1_1_batch_2000.onnx"
        info = json.loads(self.ok("info", net, "--json"))
        self.assertEqual((info["inputs"], info["outputs"], info["relu_units"]), (5, 5, 300))
        got = json.loads(self.ok("inspect", net, "--at", "0.1,0,0,0.2,-0.1", "--json"))
        self.assertEqual([len(layer) for layer in got["configuration"]], [50] * 6)
        self.assertLess(got["affine_map_error"], 1e-12)

    def test_unsupported_nodes_are_named(self):
        for name, op in [("sigmoid", "Sigmoid"), ("tanh", "Tanh"), ("softmax-last-layer", "Softmax")]:
            self.refused(3, "info", DATA / f"onnx/marabou/{name}.onnx", [op, f"{name}.onnx"])
        self.ok("info", DATA / "onnx/marabou/softmax-last-layer.onnx", "--cut-softmax")

    def test_mnist_digit_of_a_convolution(self):
        got = json.loads(self.ok("inspect", DATA / "onnx/mnistfc/mnist-net_256x2.onnx", "--sample",
                                 f"{DATA}/mnist/t10k-images-idx3-ubyte.gz:17", "--json"))
        self.assertEqual(int(np.argmax(got["output"])), 7)


if __name__ == "__main__":
    unittest.main()
