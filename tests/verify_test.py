"""`unrect verify` as a user runs it: answers, witnesses under an evaluator of ONNX in plain numpy, files, refusals."""
import gzip
import json
import pathlib
import subprocess
import sys
import unittest

import numpy as np
import onnx
from onnx import numpy_helper

from command import DATA, UNRECT, Case

ROOT = pathlib.Path(__file__).resolve().parent.parent


def vnnlib(box, outputs, rows):
    text = "".join(f"(declare-const X_{i} Real)\n" for i in range(len(box)))
    text += "".join(f"(declare-const Y_{i} Real)\n" for i in range(outputs))
    text += "".join(f"(assert (>= X_{i} {low!r}))(assert (<= X_{i} {high!r}))\n" for i, (low, high) in enumerate(box))
    return text + "".join(f"(assert {row})\n" for row in rows)


class Verify(Case):
    def setUp(self):
        super().setUp()
        self.ok("random", "3,12,12,2", "--seed", "5", "--out", self.dir / "net.onnx")
        self.box = [(-1.0, 1.0)] * 3
        rng = np.random.default_rng(0)
        self.largest = float((self.forward(rng.uniform(-1, 1, (2000, 3))))[:, 0].max())

    def forward(self, x):
        """In float32, by another program."""
        np.save(self.dir / "in.npy", np.array(x, np.float32).reshape(-1, 3))
        subprocess.run([sys.executable, "-B", ROOT / "tools/reference_forward.py", self.dir / "net.onnx",
                        self.dir / "in.npy", self.dir / "out.npy"], check=True)
        return np.load(self.dir / "out.npy")

    def write(self, rows, name="p.vnnlib", outputs=2):
        (self.dir / name).write_text(vnnlib(self.box, outputs, rows))
        return self.dir / name

    def verify(self, *args):
        return json.loads(self.ok("verify", self.dir / "net.onnx", *args, "--json"))

    def test_witnesses_hold_under_the_reference_evaluator(self):
        for below in (0.5, 0.1, 0.01):
            answer = self.verify(self.write([f"(>= Y_0 {self.largest - below!r})"]))
            self.assertEqual(answer["result"], "sat")
            self.assertTrue(answer["real"] and answer["float32"] and answer["representable"])
            x = np.array(answer["witness"])
            self.assertTrue((x == x.astype(np.float32)).all() and (np.abs(x) <= 1).all())
            self.assertGreaterEqual(float(self.forward(x)[0, 0]), self.largest - below)

    def test_refuted_far_above_what_is_attained(self):
        answer = self.verify(self.write([f"(>= Y_0 {self.largest + 1!r})"]), "--threads", "2")
        self.assertEqual(answer["result"], "unsat")
        self.assertIsNone(answer["witness"])
        self.assertGreater(answer["nodes"], 0)

    def test_reads_compressed_files_and_writes_results(self):
        (self.dir / "z.onnx.gz").write_bytes(gzip.compress((self.dir / "net.onnx").read_bytes()))
        prop = self.write([f"(>= Y_0 {self.largest - 0.1!r})"])
        (self.dir / "z.vnnlib.gz").write_bytes(gzip.compress(prop.read_bytes()))
        out = self.ok("verify", self.dir / "z.onnx.gz", self.dir / "z.vnnlib.gz", "--results", self.dir / "r.txt")
        self.assertTrue(out.startswith("sat\n"))
        lines = (self.dir / "r.txt").read_text().splitlines()
        self.assertEqual(lines[0], "sat")
        self.assertTrue(lines[1].startswith("((X_0 ") and lines[-1].startswith("(Y_1 ") and lines[-1].endswith("))"))
        self.assertEqual(len(lines), 1 + 3 + 2)

    def check(self, *args):
        return json.loads(self.ok("check", *args, "--json"))

    def test_certificates_are_checked(self):
        files = ("--network", self.dir / "net.onnx", "--property")
        for threshold, result in ((self.largest + 1, "unsat"), (self.largest - 0.1, "sat")):
            prop = self.write([f"(>= Y_0 {threshold!r})"], f"{result}.vnnlib")
            proof = self.dir / f"{result}.npz"
            self.assertEqual(self.verify(prop, "--certificate", proof)["certificate"], str(proof))
            answer = self.check(proof, *files, prop)
            self.assertEqual((answer["valid"], answer["result"], answer["reason"]), (True, result, ""))
        other = self.check(self.dir / "unsat.npz", *files, self.dir / "sat.vnnlib")
        self.assertEqual((other["valid"], other["reason"]), (False, "it is the certificate of another property"))
        self.ok("random", "3,12,12,2", "--seed", "6", "--out", self.dir / "other.onnx")
        other = self.check(proof, "--network", self.dir / "other.onnx", "--property", prop)
        self.assertEqual((other["valid"], other["reason"]), (False, "it is the certificate of another network, or of this one read otherwise (folded or not)"))

    def test_refuses_what_is_no_certificate(self):
        prop = self.write([f"(>= Y_0 {self.largest + 1!r})"])
        proof = self.dir / "proof.npz"
        self.verify(prop, "--certificate", proof)
        whole = dict(np.load(proof))
        files = ("--network", self.dir / "net.onnx", "--property", prop)
        bad = self.dir / "bad.npz"
        for name, change in (("multipliers", lambda a: a * 2), ("kind", lambda a: a[:-1]), ("at", lambda a: a + np.nan),
                             ("fingerprints", lambda a: a + 1), ("format", lambda a: a + 1)):
            np.savez(bad, **{**whole, name: change(whole[name])})
            done = subprocess.run([UNRECT, "check", bad, *files], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (4, 1), done.stderr)
            self.assertIn("bad.npz", done.stderr)
            done = subprocess.run([UNRECT, "check", bad, *files, "--json"], capture_output=True, text=True)
            self.assertEqual((done.returncode, json.loads(done.stdout)["valid"]), (4, False))
        for content in (proof.read_bytes()[:-40], b"", b"(assert true)"):
            bad.write_bytes(content)
            done = subprocess.run([UNRECT, "check", bad, *files], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (4, 1), done.stderr)

    def test_an_empty_unsafe_set_is_unsat(self):
        self.assertEqual(self.verify(self.write(["(<= Y_0 0)", "(>= Y_0 1)"]))["result"], "unsat")

    def test_time_limit_is_an_answer(self):
        self.ok("random", "40,200,200,200,2", "--seed", "1", "--out", self.dir / "big.onnx")
        self.box = [(-1.0, 1.0)] * 40
        prop = self.write(["(>= Y_0 300)"])
        answer = json.loads(self.ok("verify", self.dir / "big.onnx", prop, "--time-limit", "0.01", "--json"))
        self.assertIn(answer["result"], ("timeout", "unsat"))
        if answer["result"] == "timeout":
            self.assertIsNone(answer["witness"])

    def test_refuses_another_networks_property(self):
        prop = self.write(["(>= Y_2 0)"], outputs=3)
        done = subprocess.run([UNRECT, "verify", self.dir / "net.onnx", prop], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("3 inputs and 3 outputs, the network has 3 and 2", done.stderr)

    def test_weights_of_max_pool_and_residual_networks(self):
        # |x₀| as x + 2 relu(−x), then the larger of it and x₁, by hand: at most 1 on the box.
        node, tensor = onnx.helper.make_node, numpy_helper.from_array
        graph = onnx.helper.make_graph(
            [node("MatMul", ["x", "w"], ["n"]), node("Relu", ["n"], ["r"]), node("Mul", ["r", "two"], ["t"]),
             node("Add", ["x", "t"], ["a"])],
            "g", [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2])],
            [onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, [1, 2])],
            [tensor(-np.eye(2, dtype=np.float32), "w"), tensor(np.array(2, np.float32), "two")])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
        onnx.save(model, self.dir / "net.onnx")
        self.box = [(-1.0, 1.0)] * 2
        self.assertEqual(self.verify(self.write(["(>= Y_0 1)"]))["result"], "sat")
        self.assertEqual(self.verify(self.write(["(>= Y_0 1.000001)"]))["result"], "unsat")

    def test_instances_of_the_competition(self):
        folder = DATA / "verify"
        if not folder.exists():
            self.skipTest(f"no instances at {folder}")
        for name, network, prop, verdict in (
                ("acasxu", "ACASXU_run2a_1_1_batch_2000.onnx", "prop_1.vnnlib", "unsat"),
                ("acasxu", "ACASXU_run2a_2_5_batch_2000.onnx", "prop_2.vnnlib", "sat"),
                ("acasxu", "ACASXU_run2a_2_3_batch_2000.onnx", "prop_3.vnnlib", "unsat"),
                ("rl", "cartpole.onnx", "cartpole_case_unsafe_0.vnnlib", "unsat"),
                ("reach", "vdp.onnx", "vdp_3.vnnlib", "sat"),
                ("mnist_fc", "mnist-net_256x2.onnx", "prop_0_0.03.vnnlib", "unsat")):
            answer = json.loads(self.ok("verify", folder / name / f"{network}.gz", folder / name / f"{prop}.gz", "--json"))
            self.assertEqual(answer["result"], verdict, f"{name}: {network} {prop}")


if __name__ == "__main__":
    unittest.main()
