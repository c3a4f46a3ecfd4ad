"""The command line as a user runs it: what it prints, what it writes, how it refuses."""
import json
import os
import re
import subprocess
import unittest
import xml.dom.minidom

import numpy as np

from command import DATA, ROOT, UNRECT, Case, forward


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
