"""`unrect regions` as a user runs it: counts, certificates, pictures, resuming after a kill, refusals."""
import json
import os
import re
import subprocess
import unittest
import xml.dom.minidom

import numpy as np

from command import MPI, UNRECT, Case, forward, run


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


if __name__ == "__main__":
    unittest.main()
