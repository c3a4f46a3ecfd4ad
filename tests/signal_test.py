"""`unrect signal` as a user runs it: frames, dictionaries, phase transitions, refusals."""
import json
import unittest

import numpy as np

from command import Case
from sensing_test import png, scene


class Frames(Case):
    def frame(self, *args):
        return json.loads(self.ok("signal", "frame", *args, "--json"))

    def test_bounds_and_dual_are_numpys(self):
        rows = np.random.default_rng(1).normal(size=(20, 7))
        np.save(self.dir / "rows.npy", rows)
        got = self.frame("--matrix", "rows.npy", "--out", "dual.npy")
        values = np.linalg.eigvalsh(rows.T @ rows)
        np.testing.assert_allclose([got["lower"], got["upper"]], values[[0, -1]], rtol=1e-10)
        self.assertAlmostEqual(got["condition"], values[-1] / values[0], delta=1e-8)
        np.testing.assert_allclose(np.load(self.dir / "dual.npy").T @ rows, np.eye(7), atol=1e-12)
        self.assertLess(got["reconstruction_error"], 1e-13)
        self.assertFalse(got["tight"])
        got = self.frame("--kind", "random", "--vectors", "12", "--dimension", "12", "--seed", "3")
        self.assertEqual((got["vectors"], got["dimension"], got["redundancy"]), (12, 12, 1))

    def test_vectors_that_do_not_span(self):
        np.save(self.dir / "rows.npy", np.ones((5, 3)))
        got = self.frame("--matrix", "rows.npy")
        self.assertEqual((got["spans"], got["lower"], got["condition"], got["reconstruction_error"]), (False, 0, None, None))
        self.assertAlmostEqual(got["upper"], 15)
        self.assertIn("do not span", self.ok("signal", "frame", "--kind", "random", "--vectors", "5", "--dimension", "6"))
        self.refused(2, "signal", "frame", "--matrix", "rows.npy", "--out", "dual.npy", ["span"])

    def test_gabor_and_wavelets(self):
        got = self.frame("--length", "128", "--hop", "8", "--channels", "32", "--out", "dual.npy")
        self.assertTrue(got["tight"])  # squares of Hann's window at a quarter of its length add up to 3/2
        self.assertAlmostEqual(got["lower"], 1.5)
        self.assertLess(got["reconstruction_error"], 1e-13)
        self.assertEqual(np.load(self.dir / "dual.npy").shape, (1, 32))
        got = self.frame("--length", "120", "--hop", "12", "--channels", "20", "--window", "17")
        self.assertFalse(got["tight"])
        window = np.sin(np.pi * (np.arange(17) + 0.5) / 17)**2
        weights = np.bincount(np.arange(17) % 12, window**2)
        np.testing.assert_allclose([got["lower"], got["upper"]], [weights.min(), weights.max()], rtol=1e-12)
        got = self.frame("--kind", "wavelet", "--side", "16", "--levels", "2", "--taps", "4")
        self.assertEqual((got["vectors"], got["dimension"]), (7 * 256, 256))
        self.assertTrue(got["tight"])
        self.assertAlmostEqual(got["upper"], 1)

    def test_active_rows_of_a_layer(self):
        layers = self.network((3, 12, 9, 2))
        x = np.array([0.3, -0.2, 0.5])
        inside = x
        for l, (w, b) in enumerate(layers[:2]):
            active = w @ inside + b > 0
            got = self.frame("net.npz", "--layer", l, "--at", "0.3,-0.2,0.5")
            self.assertEqual(got["vectors"], active.sum())
            values = np.linalg.eigvalsh(w[active].T @ w[active])
            self.assertAlmostEqual(got["upper"], values[-1], delta=1e-9)
            self.assertEqual(got["spans"], bool(active.sum() >= w.shape[1]))
            inside = np.maximum(w @ inside + b, 0)
        self.refused(2, "signal", "frame", "net.npz", "--layer", "2", "--at", "0.3,-0.2,0.5", ["--layer 2", "2 layers"])
        self.refused(2, "signal", "frame", "net.npz", ["--at"])
        self.refused(2, "signal", "frame", "net.npz", "--at", "1,2", ["2", "3"])

    def test_refuses(self):
        for bad, words in ((("--kind", "magic"), ["magic"]), (("--hop", "0"), ["hop"]), (("--length", "100", "--hop", "16"), ["100"]),
                           (("--channels", "512"), ["channels"]), (("--window", "65"), ["--window 65"]),
                           (("--hop", "64", "--window", "32"), ["no window"]), (("--kind", "wavelet", "--taps", "3"), ["3"]),
                           (("--kind", "wavelet", "--side", "4", "--levels", "9"), ["9"]), (("--kind", "random", "--vectors", "0"), ["0"]),
                           (("--out", "dual.txt"), ["dual.txt", ".npy"])):
            self.refused(2, "signal", "frame", *bad, words)
        self.refused(4, "signal", "frame", "--matrix", "nothing.npy", ["nothing.npy"])
        self.refused(4, "signal", "frame", "--out", "nowhere/dual.npy", ["nowhere"])
        np.save(self.dir / "nan.npy", np.full((3, 2), np.nan))
        self.refused(2, "signal", "frame", "--matrix", "nan.npy", ["nan.npy", "finite"])
        self.refused(2, "signal", ["subcommand"])

    def test_options_that_nothing_would_look_at(self):
        self.network((3, 12, 9, 2))
        np.save(self.dir / "rows.npy", np.eye(3))
        net, rows = ("signal", "frame", "net.npz", "--at", "1,2,3"), ("signal", "frame", "--matrix", "rows.npy")
        for args, words in (((*net, "--matrix", "rows.npy"), ["--matrix", "NETWORK"]), ((*net, "--kind", "gabor"), ["--kind", "NETWORK"]),
                            ((*rows, "--kind", "gabor"), ["--kind", "--matrix"]), ((*rows, "--layer", "0"), ["--layer", "NETWORK"]),
                            ((*rows, "--hop", "8"), ["--hop", "--kind gabor"]),
                            (("signal", "frame", "--at", "1,2"), ["--at", "NETWORK"]),
                            (("signal", "frame", "--kind", "random", "--hop", "8"), ["--hop", "--kind gabor"]),
                            (("signal", "frame", "--taps", "4"), ["--taps", "--kind wavelet"]),
                            (("signal", "frame", "--vectors", "4"), ["--vectors", "--kind random"])):
            self.refused(2, *args, words)


class Dictionaries(Case):
    def test_atoms_come_from_images(self):
        (self.dir / "images").mkdir()
        for i in range(3):
            (self.dir / "images" / f"scene{i}.png").write_bytes(png(scene(seed=i)))
        args = ["signal", "dictionary", "images", "--atoms", "20", "--patch", "6", "--samples", "500", "--iterations", "5", "--sparsity", "2"]
        got = json.loads(self.ok(*args, "--out", "atoms.png", "--save", "D.npy", "--json"))
        atoms = np.load(self.dir / "D.npy")
        self.assertEqual(atoms.shape, (20, 36))
        np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1, atol=1e-12)
        self.assertEqual(got["uses"], sorted(got["uses"], reverse=True))
        self.assertLessEqual(sum(got["uses"]), 2 * 500)
        self.assertLess(got["rms_error"], got["rms_error_first"])
        self.assertLess(got["relative_error"], 0.5)
        np.testing.assert_allclose(got["coherence"], np.abs(atoms @ atoms.T - np.eye(20)).max(), atol=1e-12)
        self.assertTrue((self.dir / "atoms.png").read_bytes().startswith(b"\x89PNG"))
        self.assertEqual(got, json.loads(self.ok(*args, "--json")))
        self.assertNotEqual(got, json.loads(self.ok(*args, "--seed", "1", "--json")))

    def test_drawn_scenes_where_there_are_no_images(self):
        args = ["signal", "dictionary", "--atoms", "9", "--patch", "4", "--samples", "200", "--iterations", "2", "--sparsity", "1"]
        text = self.ok(*args, "--out", "atoms.svg")
        self.assertIn("9 atoms", text)
        self.assertIn("<svg", (self.dir / "atoms.svg").read_text())

    def test_refuses(self):
        dictionary = ["signal", "dictionary"]
        self.refused(2, *dictionary, "--atoms", "0", ["--atoms"])
        self.refused(2, *dictionary, "--atoms", "3", "--sparsity", "4", ["--sparsity 4", "3"])
        self.refused(2, *dictionary, "--iterations", "0", ["--iterations"])
        self.refused(2, *dictionary, "--samples", "900000", "--atoms", "4000", ["--samples 900000"])
        self.refused(2, *dictionary, "--out", "x.gif", ["x.gif", ".png"])
        self.refused(4, *dictionary, "--save", "nowhere/D.npy", ["nowhere"])
        self.refused(4, *dictionary, "nowhere", ["nowhere"])
        (self.dir / "small").mkdir()
        (self.dir / "small" / "one.png").write_bytes(png(np.zeros((5, 5))))
        self.refused(2, *dictionary, "small", ["8"])
        self.refused(2, *dictionary, "small", "--patch", "3", "--atoms", "9", ["zero"])


class Lista(Case):
    def test_learns_codes_that_as_many_iterations_do_not_find(self):
        args = ["--n", "40", "--measurements", "20", "--sparsity", "2", "--phases", "4", "--samples", "4000", "--epochs", "15"]
        got = json.loads(self.ok("signal", "lista", *args, "--out", "lista.onnx", "--json"))
        error = {(d["decoder"], d["iterations"]): d["nmse_db"] for d in got["decoders"]}
        self.assertLess(error["lista", 4], error["ista", 4] - 5)
        self.assertLess(error["lista", 4], error["fista", 4] - 5)
        again = json.loads(self.ok("signal", "lista", *args, "--threads", "2", "--json"))
        self.assertEqual(again, got)
        info = json.loads(self.ok("info", "lista.onnx", "--json"))
        self.assertEqual((info["inputs"], info["outputs"]), (20, 40))

    def test_a_dictionary_of_ones_own(self):
        a = np.random.default_rng(1).normal(size=(10, 16))
        np.save(self.dir / "A.npy", a)
        text = self.ok("signal", "lista", "--dictionary", "A.npy", "--sparsity", "1", "--phases", "2", "--samples", "500", "--epochs", "2")
        self.assertIn("10 measurements of codes of 16", text)
        self.refused(2, "signal", "lista", "--dictionary", "A.npy", "--n", "16", ["--n"])
        self.refused(2, "signal", "lista", "--dictionary", "A.npy", "--sparsity", "17", ["--sparsity", "16"])
        self.refused(2, "signal", "lista", "--phases", "2", "--out", "lista.txt", ["lista.txt"])
        np.save(self.dir / "A.npy", a * np.nan)
        self.refused(2, "signal", "lista", "--dictionary", "A.npy", ["A.npy"])
        self.refused(4, "signal", "lista", "--dictionary", "nothing.npy", ["nothing.npy"])
        np.save(self.dir / "A.npy", a * 1e200)
        self.refused(2, "signal", "lista", "--dictionary", "A.npy", ["A.npy", "1e50"])
        self.refused(2, "signal", "lista", "--n", "4096", "--measurements", "4096", ["too large"])
        small = ["--n", "10", "--measurements", "5", "--sparsity", "1", "--phases", "2", "--samples", "200", "--epochs", "2"]
        self.refused(5, "signal", "lista", *small, "--rate", "1e30", "--out", "lista.onnx", ["diverged", "--rate"])
        self.assertFalse((self.dir / "lista.onnx").exists())
        self.refused(2, "signal", "lista", "--lambda", "nan", ["--lambda", "nan"])


class Phases(Case):
    def phases(self, *args):
        return json.loads(self.ok("signal", "phases", *args, "--json"))

    def test_turns_where_theory_says(self):
        got = self.phases("--solver", "bp", "--n", "60", "--cells", "6", "--trials", "6", "--out", "map.png", "--threads", "2")
        self.assertEqual([len(c["success"]) for c in got["columns"]], [6] * 6)
        for column in got["columns"][1:-1]:
            self.assertLess(abs(column["half"] - column["threshold"]), 0.12, column)
        self.assertTrue((self.dir / "map.png").read_bytes().startswith(b"\x89PNG"))
        text = self.ok("signal", "phases", "--solver", "omp", "--n", "20", "--cells", "3", "--trials", "2")
        self.assertIn("weak threshold", text)

    def test_every_solver(self):
        found = {}
        for solver in ("omp", "cosamp", "iht", "niht", "ista", "fista", "bp", "lp"):
            args = ("--solver", solver, "--n", "20", "--cells", "3", "--trials", "3")
            got = self.phases(*args)
            self.assertEqual(got, self.phases(*args, "--threads", "2"))
            found[solver] = got["found"]
            self.assertEqual(got["columns"][1]["success"][2], 0, solver)  # ρ = 5/6
        self.assertEqual(found["bp"], found["lp"])
        self.assertGreater(min(found.values()), 0.05, found)

    def test_refuses(self):
        phases = ["signal", "phases"]
        self.refused(2, *phases, "--solver", "magic", ["magic", "cosamp"])
        self.refused(2, *phases, "--n", "5", ["--n", "5"])
        self.refused(2, *phases, "--trials", "0", ["--trials"])
        self.refused(2, *phases, "--cells", "1", ["--cells"])
        self.refused(2, *phases, "--threads", "0", ["--threads"])
        self.refused(2, *phases, "--out", "map.pdf", ["map.pdf", ".png"])
        self.refused(4, *phases, "--out", "nowhere/map.png", ["nowhere"])


if __name__ == "__main__":
    unittest.main()
