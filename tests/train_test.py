"""`unrect train` as a user runs it: results, files, resuming after a kill, ranks, refusals."""
import gzip
import json
import os
import subprocess
import time
import unittest

import numpy as np
import onnx
from onnx import numpy_helper

from command import DATA, MPI, UNRECT, Case, forward, read_png, run


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.astype(np.uint8).tobytes()


class Train(Case):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(0)
        x = rng.normal(size=(900, 4)).astype(np.float32)
        np.save(self.dir / "x.npy", x)
        np.save(self.dir / "y.npy", np.stack([np.abs(x[:, 0]), x[:, 1] - np.maximum(x[:, 2], 0)], 1))
        np.save(self.dir / "labels.npy", (x[:, 0] * x[:, 1] > 0).astype(np.int64) + (x[:, 3] > 1))
        np.save(self.dir / "signals.npy", np.maximum(x @ rng.normal(size=(4, 20)), 0))
        # A folder like MNIST's, of blobs on a grid of 8 × 8.
        self.mnist = self.dir / "mnist"
        self.mnist.mkdir()
        for part, count in (("train", 700), ("t10k", 200)):
            labels = rng.integers(0, 4, count)
            images = np.zeros((count, 8, 8))
            for image, label in zip(images, labels):
                image[label * 2:label * 2 + 2, 1:7] = rng.integers(100, 255, (2, 6))
            (self.mnist / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
            (self.mnist / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))

    def train(self, *args):
        return json.loads(self.ok("train", *args, "--json"))

    def facts(self, result):
        """What must not depend on threads, ranks or interruptions."""
        return {k: v for k, v in result.items() if k not in ("seconds", "threads", "log")} | {
            "log": [{k: v for k, v in line.items() if k != "seconds"} for line in result["log"]]}

    def test_regression_learns_and_its_network_agrees(self):
        got = self.train("--task", "regress", "--data", "x.npy,y.npy", "--layers", "32,32", "--batch", "50", "--epochs", "40",
                         "--validation", "50", "--out", "net.npz", "--log", "log.npz", "--plot", "loss.svg")
        self.assertLess(got["test_loss"], 0.02)
        self.assertEqual((got["status"], got["samples"], got["validation_samples"], got["test_samples"]), ("done", 760, 50, 90))
        net = np.load(self.dir / "net.npz")
        layers = [(net[f"W{l}"], net[f"b{l}"]) for l in range(3)]
        x, y = np.load(self.dir / "x.npy"), np.load(self.dir / "y.npy")
        output = np.stack([forward(layers, row)[0] for row in x.astype(float)])
        everywhere = ((output - y) ** 2).mean()
        self.assertAlmostEqual(everywhere, (got["train_loss"] * 760 + got["test_loss"] * 90) / 850, delta=0.2 * everywhere)
        log = np.load(self.dir / "log.npz")
        self.assertEqual(len(log["train_loss"]), 40)
        self.assertLess(log["train_loss"][-1], log["train_loss"][0] / 5)
        for plot in ("loss.svg", "loss-residuals.svg"):
            self.assertIn("<svg", (self.dir / plot).read_text())

    def test_classification_of_files_and_folders(self):
        for data, classes in (("x.npy,labels.npy", 3), ("mnist", 4)):
            for method in ("feasible-al", "adam"):
                got = self.train("--task", "classify", "--data", data, "--layers", "32,32", "--batch", "50", "--epochs", "30",
                                 "--validation", "50", "--method", method)
                self.assertGreater(got["test_accuracy"], 0.85, (data, method))

    def test_classification_holds_out_of_the_box(self):
        """Without further options, no worse on unseen samples than the other methods by theirs in as long."""
        for task in (["digits", "--layers", "128,64"], ["spiral", "--layers", "16,16", "--batch", "100"]):
            args = ["--task", "classify", "--data", *task, "--seed", "1"]
            got = self.train(*args, "--epochs", "10" if task[0] == "digits" else "20")
            for method in ("adam", "sgd"):
                # An epoch of these takes from a half to a whole of the time.
                other = self.train(*args, "--epochs", "20", "--method", method)
                self.assertGreaterEqual(got["test_accuracy"], other["test_accuracy"], (task, method))

    def test_defaults_of_classification(self):
        """They are what the help says, and yield to what is asked for."""
        args = ["--task", "classify", "--data", "x.npy,labels.npy", "--batch", "50", "--epochs", "3"]

        def trained(*more, layers="12,8"):
            return self.facts(self.train(*args, "--layers", layers, *more))

        plain = trained()
        self.assertEqual(trained("--damping", "10", "--rate", "1", "--decay", "0.001"), plain)
        deep = trained(layers="12,8,8")
        self.assertEqual(trained("--damping", "10", "--rate", "0.3", layers="12,8,8"), deep)
        self.assertEqual(trained("--rate", "0.1"), trained("--rate", "0.1", "--damping", "0.3"))
        self.assertEqual(trained("--damping", "0.3"), trained("--rate", "0.1", "--damping", "0.3"))
        self.assertNotEqual(trained("--decay", "0"), plain)
        for other in (["--method", "adam"], ["--lipschitz-budget", "2"]):
            self.assertEqual(trained(*other, "--decay", "0"), trained(*other))

    def test_pictures_are_held_as_bytes_until_they_are_asked_for(self):
        """A few of many samples take the memory of the file, not that of all its pixels in double."""
        rng = np.random.default_rng(2)
        row = rng.bytes(784)

        def most(count):
            folder = self.dir / f"held{count}"
            folder.mkdir()
            for part, size in (("train", count), ("t10k", 10)):
                head = bytes([0, 0, 8, 3]) + np.array((size, 28, 28), ">i4").tobytes()
                (folder / f"{part}-images-idx3-ubyte").write_bytes(head + row * size)
                (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(rng.integers(0, 10, size)))
            args = ["train", "--task", "classify", "--data", str(folder), "--layers", "4", "--samples", "50", "--validation", "20",
                    "--batch", "50", "--epochs", "1", "--json"]
            process = subprocess.Popen([UNRECT, *args], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            return usage.ru_maxrss * 1024
        # What this process holds counts for those that it starts, too: it is little.
        self.assertLess(most(60000) - most(100), 3 * 60000 * 784)

    def test_recovery(self):
        for data, size in (("mnist", 64), ("signals.npy", 20)):
            got = self.train("--task", "recovery", "--data", data, "--measurements", "10", "--layers", "48", "--batch", "50",
                             "--epochs", "20", "--validation", "60", "--save-phi", "phi.npy", "--out", "net.onnx")
            phi = np.load(self.dir / "phi.npy")
            self.assertEqual(phi.shape, (10, size))
            self.assertAlmostEqual(got["test_psnr"], -10 * np.log10(got["test_loss"]), places=9)
            again = self.train("--task", "recovery", "--data", data, "--phi", "phi.npy", "--layers", "48", "--batch", "50",
                               "--epochs", "20", "--validation", "60")
            self.assertAlmostEqual(again["test_loss"], got["test_loss"], delta=1e-3 * got["test_loss"])
            info = json.loads(self.ok("info", "net.onnx", "--json"))
            self.assertEqual((info["inputs"], info["outputs"]), (10, size))

    def test_consistent_recoveries_and_teachers(self):
        args = ["--task", "recovery", "--data", "mnist", "--measurements", "12", "--layers", "48", "--batch", "50", "--epochs", "20",
                "--validation", "60"]
        plain = self.train(*args, "--out", "plain.onnx", "--save-phi", "phi.npy")
        met = self.train(*args, "--consistent", "--out", "met.onnx")
        self.assertLess(met["test_loss"], 2 * plain["test_loss"])
        self.assertEqual(met["parameters"], plain["parameters"] + 2 * 12 * 64 + 12 + 64)  # Φ, Φ⁺ and their biases
        phi = np.load(self.dir / "phi.npy").astype(np.float32)
        # Whoever starts from it goes on with Φ as it was.
        further = [a for a in args if a not in ("--layers", "48")]
        more = self.train(*further, "--start", "met.onnx", "--rate", "0.01", "--out", "more.onnx")
        self.assertLess(more["train_loss"], met["train_loss"])
        weights = lambda file: [numpy_helper.to_array(t) for t in onnx.load(self.dir / file).graph.initializer]
        held = [any(np.array_equal(a, b) for b in weights("met.onnx")) for a in weights("more.onnx") if a.size == phi.size]
        self.assertEqual(sum(held), 2)
        # A loss that counts decibels is another training, of recoveries alone.
        self.train(*args, "--log-loss", "0.01", "--out", "decibels.onnx")
        self.assertNotEqual((self.dir / "decibels.onnx").read_bytes(), (self.dir / "plain.onnx").read_bytes())
        self.refused(2, "train", "--task", "classify", "--data", "spiral", "--log-loss", "1", ["--log-loss"])
        self.refused(2, "train", *args, "--log-loss", "-1", ["--log-loss", "-1", "≥ 0"])
        # A pupil comes nearer to its teachers than what it would have learned from the digits does.
        pupil = self.train(*args, "--teachers", "met.onnx,plain.onnx", "--out", "pupil.onnx")
        self.assertLess(pupil["train_loss"], plain["train_loss"])
        self.refused(4, "train", *args, "--teachers", "nothing.onnx", ["nothing.onnx"])
        self.refused(2, "train", *args[:4], "--measurements", "13", "--teachers", "met.onnx", ["met.onnx", "12 → 64", "13 → 64"])

    def test_explicit_al_reports_its_residuals(self):
        args = ["--task", "regress", "--data", "x.npy,y.npy", "--samples", "60", "--method", "explicit-al"]
        cold = self.train(*args, "--layers", "10", "--epochs", "150", "--out", "cold.npz")
        self.assertIn("KKT residuals", cold["events"][-1])
        self.assertEqual((cold["status"], cold["epochs"]), ("done", 150))
        self.assertEqual([line["epoch"] for line in cold["log"]], list(range(1, 151)))
        self.assertLess(cold["log"][-1]["infeasibility"], 1e-12)
        self.assertLess(cold["train_loss"], 0.01)
        for line in cold["log"]:
            self.assertGreater(line["validation_loss"], 0)
        warm = self.train(*args, "--epochs", "8", "--start", "cold.npz")
        losses = [line["train_loss"] for line in warm["log"]]
        self.assertEqual(losses, sorted(losses, reverse=True))
        self.refused(3, "train", *args, "--checkpoint", "c.npz", ["checkpoints"])

    def test_explicit_al_says_when_it_has_not_converged(self):
        # Too large for the polish that would end at a stationary point.
        done = run("train", "--task", "regress", "--data", "x.npy,y.npy", "--layers", "32,32", "--method", "explicit-al", "--epochs", "7",
                   "--out", "net.npz", "--json", cwd=self.dir)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertRegex(done.stderr, r"^unrect: explicit-al did not converge.*\n$")
        got = json.loads(done.stdout)
        self.assertEqual((got["status"], got["epochs"], len(got["log"])), ("not converged", 7, 7))
        self.assertIn("where at most 1e-06 is asked", got["events"][-1])
        self.assertIn("W0", np.load(self.dir / "net.npz"))

    def test_a_diverged_training_is_no_wrong_use(self):
        done = run("train", "--task", "regress", "--data", "x.npy,y.npy", "--layers", "16", "--method", "sgd", "--rate", "1e12", "--epochs",
                   "3", "--batch", "50", "--out", "net.npz", "--json", cwd=self.dir)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("diverged", done.stderr)
        self.assertEqual(json.loads(done.stdout)["status"], "diverged")
        self.assertIn("W0", np.load(self.dir / "net.npz"))

    def test_options_that_nothing_would_look_at(self):
        regress = ["train", "--task", "regress", "--data", "x.npy,y.npy"]
        classify = ["train", "--task", "classify", "--data", "spiral"]
        self.ok("random", "4,8,2", "--out", "start.onnx")
        for args, words in (
            ([*classify, "--measurements", "5"], ["--measurements", "--task recovery"]),
            ([*classify, "--phi", "phi.npy"], ["--phi", "--task recovery"]),
            ([*classify, "--linear-output"], ["--linear-output", "--task recovery"]),
            ([*classify, "--any-operator"], ["--any-operator", "--task recovery"]),
            ([*classify, "--crop", "33"], ["--crop", "--task recovery"]),
            ([*classify, "--bfloat16"], ["--bfloat16", "convolutions"]),
            ([*classify, "--log-loss", "1"], ["--log-loss", "--task"]),
            ([*regress, "--start", "start.onnx", "--layers", "8"], ["--layers", "--start"]),
            ([*regress, "--every", "1"], ["--every", "--checkpoint"]),
            ([*regress, "--method", "lbfgs", "--rate", "0.1"], ["--rate", "--method"]),
            ([*regress, "--method", "lbfgs", "--warm-up", "3"], ["--warm-up", "--method"]),
            ([*regress, "--method", "adam", "--momentum", "0.5"], ["--momentum", "--method"]),
            ([*regress, "--method", "adam", "--damping", "0.5"], ["--damping", "--method"]),
            ([*regress, "--method", "sgd", "--trust", "0.5"], ["--trust", "--method"]),
            ([*regress, "--method", "explicit-al", "--batch", "50"], ["--batch", "--method"]),
            ([*regress, "--method", "explicit-al", "--groups", "5"], ["--groups", "--method"]),
            ([*regress, "--method", "adam", "--compare", "adam,sgd"], ["--method", "--compare"]),
            ([*regress, "--log", "log.npz", "--compare", "adam,sgd"], ["--log", "--compare"]),
            ([*regress, "--patience", "3", "--validation", "0"], ["--patience", "--validation"]),
            ([*classify, "--method", "explicit-al", "--frames", "f"], ["--frames", "--method"])):
            self.refused(2, *args, words)
        # Of several methods one is enough.
        self.ok(*classify, "--samples", "300", "--layers", "8", "--epochs", "2", "--compare", "adam,sgd", "--momentum", "0.5")

    def test_compare_prints_a_table(self):
        out = self.ok("train", "--task", "classify", "--data", "spiral", "--samples", "300", "--layers", "16", "--batch", "50",
                      "--epochs", "5", "--validation", "50", "--compare", "adam,feasible-al,sgd", "--plot", "race.png")
        for word in ("adam", "feasible-al", "sgd", "test accuracy"):
            self.assertIn(word, out)
        self.assertTrue((self.dir / "race.png").read_bytes().startswith(b"\x89PNG"))

    def test_frames(self):
        self.ok("train", "--task", "classify", "--data", "spiral", "--samples", "300", "--layers", "8,8", "--batch", "50",
                "--epochs", "3", "--validation", "50", "--frames", "frames")
        self.assertEqual(sorted(f.name for f in (self.dir / "frames").iterdir()), [f"epoch-000{e}.png" for e in range(4)])

    def test_frames_of_a_regression_show_all_points_in_their_targets_colours(self):
        at = np.linspace(-1, 1, 20)
        x = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
        np.save(self.dir / "plane.npy", x)
        for slope, shift in ((0.3, 0), (3, 10)):
            np.save(self.dir / "heights.npy", shift + slope * x[:, 0])
            self.ok("train", "--task", "regress", "--data", "plane.npy,heights.npy", "--layers", "2", "--batch", "50", "--epochs", "1",
                    "--frames", "frames")
            picture = read_png(self.dir / "frames/epoch-0000.png")
            height, width, _ = picture.shape
            pixels = picture[height // 4:3 * height // 4, width // 4:width // 2].reshape(-1, 3)  # within the plot
            rings = (pixels == 255).all(1).mean()
            self.assertGreater(rings, 0.002, (slope, shift))  # around every point
            colors, counts = np.unique(pixels, axis=0, return_counts=True)
            # Three regions at most have one colour each; the columns of points have as many as there are.
            self.assertGreater((counts > 40).sum(), 7, (slope, shift))

    def test_killed_at_any_moment_and_resumed(self):
        args = ["train", "--task", "recovery", "--data", "mnist", "--measurements", "12", "--layers", "200,200", "--batch", "50",
                "--epochs", "60", "--validation", "60", "--json"]
        whole = self.facts(json.loads(self.ok(*args, "--out", "whole.onnx")))
        args += ["--checkpoint", "run.npz", "--every", "0.01", "--resume", "--out", "pieces.onnx"]
        self.assertGreater(self.kill_and_resume(args, 20, 0.02, 0.25, seed=4), 0)
        self.assertEqual(self.facts(json.loads(self.ok(*args))), whole)
        self.assertEqual((self.dir / "pieces.onnx").read_bytes(), (self.dir / "whole.onnx").read_bytes())
        self.refused(2, *args, "--decay", "0.1", ["run.npz", "another"])
        state = (self.dir / "run.npz").read_bytes()
        (self.dir / "run.npz").write_bytes(state[:-100])
        self.refused(4, *args, ["run.npz"])

    def test_pictures_bent_anew_every_epoch(self):
        args = ["train", "--task", "recovery", "--data", "mnist", "--measurements", "12", "--layers", "150,60", "--batch", "50",
                "--validation", "60", "--groups", "1", "--json"]
        long = [*args, "--epochs", "40"]
        plain = self.facts(json.loads(self.ok(*long, "--out", "plain.onnx")))
        bent = self.facts(json.loads(self.ok(*long, "--augment", "0.5", "--out", "bent.onnx")))
        self.assertNotEqual((self.dir / "plain.onnx").read_bytes(), (self.dir / "bent.onnx").read_bytes())
        losses = lambda facts: [line["train_loss"] for line in facts["log"]]
        # What never comes again cannot be learnt by heart.
        self.assertGreater(losses(bent)[-1], 1.3 * losses(plain)[-1])
        # Stopped and resumed, to the same bits; other strengths are other samples.
        resumable = [*long, "--augment", "0.5", "--checkpoint", "bent.npz", "--every", "0.01", "--resume", "--out", "pieces.onnx"]
        run = subprocess.Popen([UNRECT, *resumable], cwd=self.dir, stdout=subprocess.DEVNULL)
        for _ in range(2000):
            if (self.dir / "bent.npz").exists() or run.poll() is not None:
                break
            time.sleep(0.002)
        run.kill()
        run.wait()
        self.assertEqual(self.facts(json.loads(self.ok(*resumable))), bent)
        self.assertEqual((self.dir / "pieces.onnx").read_bytes(), (self.dir / "bent.onnx").read_bytes())
        resumable[resumable.index("0.5")] = "0.6"
        self.refused(2, *resumable, ["bent.npz", "other samples"])
        self.refused(2, *args, "--augment", "1", "--method", "lbfgs", ["augmented", "lbfgs"])
        self.refused(2, "train", "--task", "classify", "--data", "mnist", "--augment", "1", ["--augment"])
        self.refused(2, "train", "--task", "recovery", "--data", "x.npy", "--measurements", "2", "--augment", "1", ["augmentation", "x.npy"])

    def test_scores_recoveries_on_the_test_set(self):
        got = self.train("--task", "recovery", "--data", "mnist", "--measurements", "20", "--seed", "3", "--layers", "60", "--batch",
                         "50", "--epochs", "5", "--validation", "60", "--out", "net.onnx", "--save-phi", "phi.npy")
        args = ["bench", "recovery", "--data", "mnist", "--seed", "3", "--net", "net.onnx", "--sparse", "10", "--json"]
        self.refused(2, *[a if a != "3" else "4" for a in args], "--measurements", "20", ["net.onnx", "another operator"])
        rows = json.loads(self.ok(*args, "--measurements", "20"))["decoders"]
        error = {row["decoder"]: row["squared_error"] for row in rows}
        self.assertAlmostEqual(error["net.onnx"], 64 * got["test_loss"], delta=1e-5 * error["net.onnx"])
        # Two networks' mean: its error is below the mean of theirs.
        self.train("--task", "recovery", "--data", "mnist", "--phi", "phi.npy", "--seed", "4", "--layers", "60", "--batch", "50",
                   "--epochs", "5", "--validation", "60", "--out", "other.onnx")
        both = json.loads(self.ok(*[a if a != "net.onnx" else "net.onnx,other.onnx" for a in args], "--phi", "phi.npy"))["decoders"]
        three = [row["squared_error"] for row in both[-3:]]
        self.assertEqual((both[-1]["decoder"], three[0]), ("mean of networks", error["net.onnx"]))
        self.assertLess(three[2], (three[0] + three[1]) / 2)
        from_file = json.loads(self.ok(*args, "--phi", "phi.npy"))["decoders"]
        self.assertEqual([r["squared_error"] for r in from_file], [r["squared_error"] for r in rows])
        pictures = gzip.decompress((self.mnist / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
        x = np.frombuffer(pictures, np.uint8).reshape(200, 64) / 255
        self.assertAlmostEqual(error["zero"], (x**2).sum(1).mean(), delta=1e-4 * error["zero"])
        self.assertLess(error["lmmse"], error["zero"])
        self.assertEqual([r["signals"] for r in rows if "lasso" in r["decoder"]], [10, 10])
        self.assertEqual(json.loads(self.ok(*args, "--measurements", "20"))["shape"], [8, 8])
        self.refused(2, *args[:6], "--measurements", "20", "--sparse", "0", "--lambda", "1", ["--lambda", "--sparse 0"])

    def test_rows_of_numbers_are_signals(self):
        # Few cosines each: in their own transform they are found, in that of 16 × 16 pictures they are not sparse.
        rng = np.random.default_rng(5)
        def cosines(n):
            k = np.arange(n)
            basis = np.cos(np.pi * (k[None] + 0.5) * k[:, None] / n) * np.sqrt(2 / n)
            codes = np.zeros((60, n))
            for row in codes:
                row[1 + rng.permutation(n - 1)[:4]] = rng.normal(size=4)
            return codes @ basis
        for n in (256, 250):
            np.save(self.dir / "rows.npy", cosines(n))
            args = ["bench", "recovery", "--data", "rows.npy", "--measurements", "80", "--lambda", "1e-5"]
            got = json.loads(self.ok(*args, "--json", "--picture", f"rows-{n}.svg"))
            self.assertEqual((got["values"], got["shape"]), (n, [n]))
            error = {row["decoder"]: row["squared_error"] for row in got["decoders"]}
            self.assertLess(error["lasso, DCT"], 1e-3 * error["zero"])
            self.assertIn("<svg", (self.dir / f"rows-{n}.svg").read_text())
            self.assertIn(f"80 measurements of {n} values", self.ok(*args))
        np.save(self.dir / "rows.npy", cosines(256))
        for shape, data in (("16,16", "rows.npy"), (None, "pictures.npy")):
            np.save(self.dir / "pictures.npy", np.load(self.dir / "rows.npy").reshape(-1, 16, 16))
            got = json.loads(self.ok("bench", "recovery", "--data", data, "--measurements", "80", "--lambda", "1e-5", "--json",
                                     *(["--shape", shape] if shape else [])))
            self.assertEqual(got["shape"], [16, 16])
            error = {row["decoder"]: row["squared_error"] for row in got["decoders"]}
            self.assertGreater(error["lasso, DCT"], 1e-1 * error["zero"])
        np.save(self.dir / "pictures.npy", cosines(250).reshape(-1, 25, 10))
        got = json.loads(self.ok("bench", "recovery", "--data", "pictures.npy", "--measurements", "80", "--json", "--picture", "m.png"))
        self.assertEqual(got["shape"], [25, 10])
        self.refused(2, "bench", "recovery", "--data", "rows.npy", "--measurements", "80", "--shape", "16,15", ["--shape 16,15", "256"])

    def test_a_checkpoint_of_another_output_is_refused(self):
        args = ("train", "--task", "recovery", "--data", "mnist", "--measurements", "8", "--layers", "8", "--epochs", "1",
                "--checkpoint", "c.npz", "--resume")
        self.ok(*args)
        self.refused(2, *args, "--linear-output", ["c.npz", "another network"])

    def test_a_batch_nearly_as_large_as_the_set(self):
        got = self.train("--task", "regress", "--data", "x.npy,y.npy", "--layers", "4", "--samples", "8", "--batch", "7",
                         "--groups", "5", "--epochs", "2", "--validation", "0")
        for line in got["log"]:
            self.assertGreater(line["gradient_norm"], 0)

    def test_threads_make_no_difference(self):
        args = ["train", "--task", "recovery", "--data", "mnist", "--measurements", "12", "--layers", "150,40", "--batch", "70",
                "--epochs", "3", "--validation", "60"]
        results = []
        for threads in (1, 2, 3):
            results.append(self.facts(json.loads(self.ok(*args, "--threads", threads, "--out", f"{threads}.onnx", "--json"))))
        self.assertEqual(results[0], results[1])
        self.assertEqual(results[0], results[2])
        self.assertEqual((self.dir / "1.onnx").read_bytes(), (self.dir / "3.onnx").read_bytes())

    @unittest.skipUnless(MPI, "no mpirun, or unrect-mpi is not built")
    def test_ranks_make_no_difference(self):
        for method in ("feasible-al", "adam"):
            args = ["train", "--task", "recovery", "--data", "mnist", "--measurements", "12", "--layers", "150,40", "--batch", "70",
                    "--epochs", "3", "--validation", "60", "--method", method]
            if method == "feasible-al":
                args += ["--trust", "0.05"]
            self.ok(*args, "--out", "one.onnx")
            for ranks in (1, 2, 3):
                done = subprocess.run([*MPI, "-n", str(ranks), UNRECT + "-mpi", *args, "--out", "many.onnx"], cwd=self.dir,
                                      capture_output=True, text=True, timeout=300)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual((self.dir / "one.onnx").read_bytes(), (self.dir / "many.onnx").read_bytes(), (method, ranks))

    def test_lipschitz_budget(self):
        got = self.train("--task", "regress", "--data", "x.npy,y.npy", "--layers", "32,32", "--batch", "50", "--epochs", "10",
                         "--validation", "50", "--lipschitz-budget", "1", "--out", "net.npz")
        self.assertEqual(got["status"], "done")
        net = np.load(self.dir / "net.npz")
        self.assertLessEqual(np.prod([np.linalg.norm(net[f"W{l}"], 2) for l in range(3)]), 1)

    def test_the_exact_lipschitz_constant_is_within_the_budget(self):
        self.ok("train", "--task", "classify", "--data", "spiral", "--samples", "300", "--layers", "12,12", "--batch", "50",
                "--epochs", "10", "--lipschitz-budget", "2", "--out", "safe.onnx")
        self.ok("regions", "safe.onnx", "--box=-1,1", "--out", "regions", "--keep", "maps")
        constants = [np.linalg.norm(A, 2) for shard in (self.dir / "regions").glob("*.npz") for A in np.load(shard)["matrices"]]
        self.assertGreater(len(constants), 20)
        self.assertLessEqual(max(constants), 2)
        self.assertGreater(max(constants), 0.5)

    def test_refuses(self):
        task = ["train", "--task", "regress", "--data", "x.npy,y.npy"]
        for bad, words in ((("--method", "adamw"), ["adamw", "feasible-al"]), (("--epochs", "0"), ["epochs"]),
                           (("--rate", "-1"), ["rate"]), (("--damping", "0.001"), ["damping"]),
                           (("--samples", "5000"), ["5000", "x.npy"]), (("--validation", "5000"), ["5000"]),
                           (("--resume",), ["--checkpoint"]), (("--out", "net.txt"), ["net.txt", ".onnx"]),
                           (("--frames", "f"), ["two inputs"])):
            self.refused(2, *task, *bad, words)
        self.refused(4, *task, "--out", "nowhere/net.onnx", ["nowhere"])
        self.refused(4, "train", "--task", "classify", "--data", "nothing.npy,y.npy", ["nothing.npy"])
        self.refused(2, "train", "--task", "recovery", "--data", "mnist", ["measurements: 0", "64"])
        self.refused(2, "train", "--task", "recovery", "--data", "mnist", "--measurements", "65", ["65", "64"])
        self.refused(2, "train", "--task", "regress", "--data", "mnist", ["x.npy,y.npy"])
        self.refused(2, "train", "--task", "classify", "--data", "x.npy,y.npy", ["y.npy"])
        x = np.load(self.dir / "x.npy")
        x[17, 2] = np.nan
        np.save(self.dir / "nan.npy", x)
        for seed in range(5):  # wherever the row ends up
            self.refused(2, "train", "--task", "regress", "--data", "nan.npy,y.npy", "--seed", seed,
                         ["nan.npy", "row 17, column 2"])
        np.save(self.dir / "negative.npy", -np.ones(900))
        self.refused(2, "train", "--task", "classify", "--data", "x.npy,negative.npy", ["negative.npy", "row 0"])
        np.save(self.dir / "short.npy", np.ones(5))
        self.refused(2, "train", "--task", "regress", "--data", "x.npy,short.npy", ["short.npy", "5"])
        np.save(self.dir / "one.npy", np.ones((1, 4)))
        self.refused(2, "train", "--task", "regress", "--data", "one.npy,one.npy", ["one.npy", "one sample"])
        for option in ("--log", "--plot", "--checkpoint"):  # before the training, not after it
            self.refused(4, *task, option, "nowhere/file.svg", [option, "nowhere"])
        self.refused(2, *task, "--compare", "adam,explicit-al", ["explicit-al"])
        self.refused(2, "train", "--task", "recovery", "--data", "mnist", "--measurements", "8", "--save-phi", "phi.npy",
                     "--plot", "loss.txt", ["loss.txt", ".svg"])
        test_images = self.mnist / "t10k-images-idx3-ubyte.gz"
        whole = test_images.read_bytes()
        test_images.write_bytes(gzip.compress(idx(np.zeros((200, 9, 9)))))
        self.refused(4, "train", "--task", "classify", "--data", "mnist", ["64", "81"])
        test_images.write_bytes(whole)
        images = self.mnist / "train-images-idx3-ubyte.gz"
        images.write_bytes(images.read_bytes()[:200])
        self.refused(4, "train", "--task", "classify", "--data", "mnist", ["train-images"])


@unittest.skipUnless((DATA / "mnist").is_dir(), f"no MNIST at {DATA}")
class Digits(Case):
    def test_recovers_digits(self):
        got = json.loads(self.ok("train", "--task", "recovery", "--data", DATA / "mnist", "--measurements", "100", "--layers",
                                 "256", "--samples", "5000", "--epochs", "4", "--json"))
        self.assertGreater(got["test_psnr"], 18)


if __name__ == "__main__":
    unittest.main()
