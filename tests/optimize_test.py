"""`unrect optimize` and `unrect radius` as a user runs them: intervals, points under numpy, refusals."""
import json
import pathlib
import struct
import unittest

import numpy as np

from command import DATA, Case
from verify_test import vnnlib


class Network(Case):
    """3-8-8-3 with weights that numpy knows, in float64."""

    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(1)
        sizes = (3, 8, 8, 3)
        self.layers = [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in zip(sizes, sizes[1:])]
        np.savez(self.dir / "net.npz", **{f"{name}{k}": array for k, layer in enumerate(self.layers)
                                         for name, array in zip("Wb", layer)})

    def forward(self, x):
        a = np.asarray(x, np.float64).reshape(-1, 3)
        for k, (w, b) in enumerate(self.layers):
            a = a @ w.T + b
            a = np.maximum(a, 0) if k + 1 < len(self.layers) else a
        return a

    def asked(self, verb, *args):
        return json.loads(self.ok(verb, self.dir / "net.npz", *args, "--json"))


class Optimize(Network):
    def test_interval_holds_and_is_attained(self):
        samples = self.forward(np.random.default_rng(2).uniform(-1, 1, (20000, 3)))
        value = 2 * samples[:, 0] - samples[:, 1] + 0.5
        most = self.asked("optimize", "--maximize", "2*y0 - Y_1 + 0.5", "--box", "-1,1")
        least = self.asked("optimize", "--minimize", "2*y0 - Y_1 + 0.5", "--box", "-1,1")
        self.assertEqual((most["status"], least["status"]), ("closed", "closed"))
        self.assertGreaterEqual(most["upper"], value.max())
        self.assertGreaterEqual(most["lower"], value.max())  # a search beats a sample
        self.assertLessEqual(least["lower"], value.min())
        for answer, end in ((most, "lower"), (least, "upper")):
            self.assertLessEqual(answer["lower"], answer["upper"])
            self.assertLessEqual(answer["upper"] - answer["lower"], 1e-5 * (1 + abs(answer["upper"])))
            self.assertTrue((np.abs(answer["point"]) <= 1).all())
            y = self.forward(answer["point"])[0]
            self.assertAlmostEqual(2 * y[0] - y[1] + 0.5, answer[end], places=9)
            self.assertGreater(answer["nodes"], 0)

    def test_does_not_depend_on_threads(self):
        answers = [self.asked("optimize", "--maximize", "y0", "--box", "-1,1", "--threads", n) for n in (1, 3)]
        for answer in answers:
            del answer["seconds"]
        self.assertEqual(*answers)

    def test_gap_and_time_limit(self):
        self.assertLessEqual((wide := self.asked("optimize", "--maximize", "y0", "--box", "-1,1", "--gap", "1"))["upper"] -
                             wide["lower"], 1 + 1e-9)
        self.ok("random", "20,200,200,1", "--seed", "1", "--out", self.dir / "big.onnx")
        cut = json.loads(self.ok("optimize", self.dir / "big.onnx", "--maximize", "y0", "--box", "-1,1", "--time-limit",
                                 "0.01", "--json"))
        self.assertIn(cut["status"], ("timeout", "closed"))
        self.assertLess(cut["lower"], cut["upper"])

    def test_range_of_every_output(self):
        answer = self.asked("optimize", "--range", "--box", "-1,1")
        samples = self.forward(np.random.default_rng(3).uniform(-1, 1, (2000, 3)))
        self.assertEqual([each["output"] for each in answer["ranges"]], [0, 1, 2])
        for i, each in enumerate(answer["ranges"]):
            self.assertLessEqual(each["minimum"]["lower"], samples[:, i].min())
            self.assertGreaterEqual(each["maximum"]["upper"], samples[:, i].max())
        text = self.ok("optimize", self.dir / "net.npz", "--range", "--box", "-1,1")
        self.assertEqual(len(text.splitlines()), 4)

    def test_inputs_of_a_property(self):
        rows = ["(<= (+ X_0 X_1) -0.5)", "(>= Y_0 1000)"]  # what is said of outputs is left aside
        (self.dir / "p.vnnlib").write_text(vnnlib([(-1.0, 1.0), (-1.0, 1.0), (0.25, 0.25)], 3, rows))
        answer = self.asked("optimize", "--maximize", "y2", "--vnnlib", self.dir / "p.vnnlib")
        x = np.random.default_rng(4).uniform(-1, 1, (20000, 3))
        x[:, 2] = 0.25
        x = x[x[:, 0] + x[:, 1] <= -0.5]
        self.assertEqual(answer["status"], "closed")
        self.assertGreaterEqual(answer["upper"], self.forward(x)[:, 2].max())
        self.assertLessEqual(answer["point"][0] + answer["point"][1], -0.5)
        self.assertEqual(answer["point"][2], 0.25)

    def test_an_empty_domain_and_an_overflow_are_answers(self):
        (self.dir / "p.vnnlib").write_text(
            vnnlib([(-1.0, 1.0)] * 3, 3, ["(<= (+ X_0 X_1) -1)", "(>= (+ X_0 X_1) 1)"]))
        empty = self.asked("optimize", "--maximize", "y0", "--vnnlib", self.dir / "p.vnnlib")
        self.assertEqual((empty["status"], empty["lower"], empty["upper"], empty["point"]), ("empty", None, None, None))
        huge = self.asked("optimize", "--maximize", "y0", "--box", "-1e308,1e308")
        self.assertEqual((huge["status"], huge["upper"]), ("unknown", None))
        self.assertIn("overflow", huge["reason"])

    def test_refusals(self):
        net = self.dir / "net.npz"
        for args, words in (((), ["--maximize"]), (("--maximize", "y0"), ["--box"]),
                            (("--maximize", "y3", "--box", "-1,1"), ["--maximize", "no y3", "y0 … y2"]),
                            (("--maximize", "y0 + x1", "--box", "-1,1"), ["character 6"]),
                            (("--minimize", "3", "--box", "-1,1"), ["names no output"]),
                            (("--maximize", "y0", "--minimize", "y0", "--box", "-1,1"), ["minimize"]),
                            (("--maximize", "y0", "--box", "1,-1"), ["--box", "side 0"]),
                            (("--maximize", "y0", "--box", "-1,1", "--gap", "-1"), ["--gap"]),
                            (("--maximize", "y0", "--box", "-1,1,0,1"), ["--box"])):
            self.refused(2, "optimize", net, *args, words)


class Radius(Network):
    def setUp(self):
        super().setUp()
        self.x = np.array([0.1, -0.2, 0.3])
        self.at = ",".join(map(str, self.x))
        self.label = int(self.forward(self.x)[0].argmax())

    def distance(self, norm, x):
        return np.linalg.norm(np.asarray(x) - self.x, {"inf": np.inf, "2": 2, "1": 1}[norm], axis=-1)

    def test_class_stays_below_and_changes_at_the_point(self):
        rng = np.random.default_rng(5)
        upper = {}
        for norm in ("inf", "2", "1"):
            answer = self.asked("radius", "--at", self.at, "--norm", norm)
            self.assertEqual((answer["status"], answer["class"], answer["norm"]), ("closed", self.label, norm))
            self.assertLess(answer["lower"], answer["upper"])
            self.assertLessEqual(answer["upper"] - answer["lower"], 1.001e-3 * answer["upper"])
            self.assertAlmostEqual(float(self.distance(norm, answer["point"])), answer["upper"], places=12)
            y = self.forward(answer["point"])[0]
            self.assertGreaterEqual(y[answer["other"]], y[self.label] - 1e-9)
            samples = self.x + answer["lower"] * rng.uniform(-1, 1, (20000, 3))
            samples = samples[self.distance(norm, samples) <= answer["lower"]]
            self.assertTrue((self.forward(samples).argmax(1) == self.label).all())
            upper[norm] = answer["upper"]
        self.assertLessEqual(upper["inf"], upper["2"] * 1.001)
        self.assertLessEqual(upper["2"], upper["1"] * 1.001)

    def test_another_class_to_keep_and_a_box_without_any_other(self):
        other = self.asked("radius", "--at", self.at, "--label", (self.label + 1) % 3)
        self.assertEqual((other["lower"], other["upper"]), (0, 0))
        self.assertIn("another class", other["reason"])
        small = self.asked("radius", "--at", self.at)["lower"] / 4
        box = ",".join(f"{v - small},{v + small}" for v in self.x)
        within = self.asked("radius", "--at", self.at, "--box", box)
        self.assertEqual((within["status"], within["upper"], within["point"]), ("closed", None, None))
        self.assertGreaterEqual(within["lower"], small)
        self.assertIn("no other class", self.ok("radius", self.dir / "net.npz", "--at", self.at, "--box", box))

    def test_samples_of_an_image_file(self):
        self.ok("random", "9,16,3", "--seed", "2", "--out", self.dir / "tiny.onnx")
        images = np.arange(18, dtype=np.uint8) * 10
        (self.dir / "images.idx").write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 3) + images.tobytes())
        answer = json.loads(self.ok("radius", self.dir / "tiny.onnx", "--sample", f"{self.dir / 'images.idx'}:1",
                                    "--box", "0,1", "--time-limit", "20", "--json"))
        self.assertLessEqual(answer["lower"], answer["upper"] or np.inf)
        if answer["point"] is not None:
            x = np.array(answer["point"])
            self.assertTrue((x >= 0).all() and (x <= 1).all())
            self.assertAlmostEqual(float(np.abs(x - images[9:] / 255).max()), answer["upper"], places=12)

    def test_real_images(self):
        folder, images = DATA / "onnx" / "mnistfc", DATA / "mnist" / "t10k-images-idx3-ubyte.gz"
        if not folder.exists() or not images.exists():
            self.skipTest(f"no networks at {folder}, or no images at {images}")
        answer = json.loads(self.ok("radius", folder / "mnist-net_256x2.onnx", "--sample", f"{images}:0", "--box", "0,1",
                                    "--gap", "1e-3", "--json"))
        self.assertEqual((answer["status"], answer["class"]), ("closed", 7))
        self.assertLessEqual(answer["upper"] - answer["lower"], 1e-3)

    def test_refusals(self):
        net = self.dir / "net.npz"
        for args, words in (((), ["--at", "--sample"]), (("--at", "1,2"), ["2 numbers", "expected 3"]),
                            (("--at", "1,2,3", "--label", "3"), ["class 3", "0 … 2"]),
                            (("--at", "1,2,3", "--norm", "3"), ["--norm"]),
                            (("--at", "1,2,3", "--box", "0,1"), ["outside of the box"]),
                            (("--at", "1,2,3", "--raw"), ["--raw", "--sample"])):
            self.refused(2, "radius", net, *args, words)


if __name__ == "__main__":
    unittest.main()
