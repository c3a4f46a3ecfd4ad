"""`unrect export` as a user runs it: what other solvers make of the model, and their points replayed.

Cbc (coinor-cbc) and GLPK (glpk-utils) are asked where they are found. UNRECT_ROUNDS: more networks, by hand."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

UNRECT = os.environ["UNRECT"]
ROUNDS = int(os.environ.get("UNRECT_ROUNDS", 20))
SOLVERS = [name for name in ("cbc", "glpsol") if shutil.which(name)]
for missing in {"cbc", "glpsol"} - set(SOLVERS):
    print(f"no {missing} on the path (Debian: coinor-cbc, glpk-utils): its answers are not compared")


def run(*args):
    return subprocess.run([UNRECT, *map(str, args)], capture_output=True, text=True, timeout=300)


def network(seed):
    """Two to four inputs, two outputs; by turns a chain, a residual sum, convolution and max-pool, functions of several
    pieces, a concatenation."""
    rng = np.random.default_rng(seed)
    nodes, tensors = [], []

    def tensor(values):
        name = f"t{len(tensors)}"
        tensors.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(kind, inputs, **attributes):
        nodes.append(helper.make_node(kind, inputs, [f"v{len(nodes)}"], **attributes))
        return f"v{len(nodes) - 1}"

    def dense(x, n, m):
        return node("Gemm", [x, tensor(rng.normal(size=(n, m))), tensor(rng.normal(size=m) * 0.3)])

    kind, shape = seed % 5, [1, 2 + seed % 2]
    n = shape[1]
    if kind == 0:
        last = node("Relu", [dense(node("Relu", [dense("x", n, 6)]), 6, 5)])
        size = 5
    elif kind == 1:
        first = node("Relu", [dense("x", n, 5)])
        last = node("Relu", [node("Add", [first, dense(node("Relu", [dense(first, 5, 4)]), 4, 5)])])
        size = 5
    elif kind == 2:
        shape = [1, 1, 2, 2]
        weights = tensor(rng.normal(size=(2, 1, 2, 2)))
        last = node("Conv", ["x", weights, tensor(rng.normal(size=2) * 0.3)], pads=[1, 1, 1, 1])
        last = node("Relu", [last])
        last = node("Flatten", [node("MaxPool", [last], kernel_shape=[2, 2])])
        size = 8
    elif kind == 3:
        last = node("LeakyRelu", [dense("x", n, 4)], alpha=0.1)
        last = node("Clip", [dense(last, 4, 4), tensor(np.float32(-0.5)), tensor(np.float32(0.75))])
        last = node("HardSigmoid", [node("Abs", [dense(last, 4, 3)])], alpha=0.3, beta=0.1)
        size = 3
    else:
        parts = [node("Relu", [dense("x", n, 3)]), node("Relu", [dense("x", n, 4)]), "x"]
        last = node("Relu", [dense(node("Concat", parts, axis=1), 7 + n, 5)])
        size = 5
    weights, bias = tensor(rng.normal(size=(size, 2))), tensor(rng.normal(size=2))
    nodes.append(helper.make_node("Gemm", [last, weights, bias], ["y"]))
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


class Export(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def ok(self, *args):
        done = run(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, status, *args):
        done = run(*args)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (status, 1), done.stderr)
        return done.stderr

    def solve(self, solver, model):
        answer = self.dir / f"{model.name}.{solver}.txt"
        if solver == "cbc":
            command = [solver, model, "-ratioGap", "0", "-allowableGap", "1e-9", "-solve", "-solution", answer]
        else:
            command = [solver, "--lp" if model.suffix == ".lp" else "--freemps", model, "-w", answer]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return answer

    def test_solvers_find_what_optimize_proves(self):
        for seed in range(ROUNDS):
            net, model = self.dir / "net.onnx", self.dir / ("m.lp" if seed % 2 else "m.mps")
            onnx.save(network(seed), net)
            question = (net, "--box=-1,1", "--maximize" if seed % 3 else "--minimize", "y0 - 0.5*y1 + 0.25", "--json")
            proved = json.loads(self.ok("optimize", *question, "--time-limit", 5))
            if proved["status"] != "closed":
                print(f"network {seed}: optimize left {proved['lower']} … {proved['upper']}, which solvers are compared with")
            doubt = 1e-6 * (1 + abs(proved["lower"]))
            for relax in ([], ["--relax"]):
                written = json.loads(self.ok("export", *question, *relax, "--out", model))
                self.assertGreaterEqual(written["units"], written["stable"])
                for solver in SOLVERS:
                    read = json.loads(self.ok("export", *question, *relax, "--read", self.solve(solver, model)))
                    self.assertEqual({key: read[key] for key in written}, written)
                    solution, what = read["solution"], f"{seed} {solver} {relax}"
                    self.assertEqual(solution["status"], "Optimal", what)
                    value = solution["model_value"]
                    if relax:
                        better = value - proved["lower"] if seed % 3 else proved["upper"] - value
                        self.assertGreaterEqual(better, -doubt, what)
                        continue
                    self.assertTrue(proved["lower"] - doubt <= value <= proved["upper"] + doubt, f"{what}: {value} {proved}")
                    self.assertLess(abs(solution["value"] - value), doubt, what)
                    self.assertLess(solution["difference"], 1e-5, what)
                    for kind, worst in solution["residuals"].items():
                        self.assertLess(worst["largest"], 1e-5, f"{what}: {kind} {worst['where']}")

    def test_a_property_has_a_solution_if_it_can_be_broken(self):
        net, prop, model = self.dir / "net.onnx", self.dir / "p.vnnlib", self.dir / "m.lp"
        onnx.save(network(5), net)
        top = json.loads(self.ok("optimize", net, "--box=-1,1", "--maximize", "y0", "--json"))["upper"]
        box = "".join(f"(declare-const X_{i} Real)(assert (>= X_{i} -1))(assert (<= X_{i} 1))" for i in range(3))
        for above, result, status in ((-0.1, "sat", "optimal"), (0.1, "unsat", "infeasible")):
            prop.write_text(box + "(declare-const Y_0 Real)(declare-const Y_1 Real)"
                            f"(assert (or (and (>= Y_0 {top + above!r})) (and (<= Y_0 -1000) (>= Y_1 1000))))")
            self.assertEqual(json.loads(self.ok("verify", net, prop, "--json"))["result"], result)
            question = (net, "--vnnlib", prop, "--property", "--json")
            self.ok("export", *question, "--out", model)
            if "cbc" not in SOLVERS:
                continue
            solution = json.loads(self.ok("export", *question, "--read", self.solve("cbc", model)))["solution"]
            self.assertIn(status, solution["status"].lower())
            if result == "sat":
                self.assertGreaterEqual(solution["output"][0], top + above - 1e-6)

    def test_text(self):
        net = self.dir / "net.onnx"
        onnx.save(network(0), net)
        out = self.ok("export", net, "--box=-1,1", "--maximize", "y0", "--out", self.dir / "m.mps")
        self.assertRegex(out, r"11 units, \d+ of them on one piece all over the domain\n"
                              r"\d+ columns, \d+ of them 0 or 1, \d+ rows, \d+ non-zeros\n")
        for solver in SOLVERS:
            out = self.ok("export", net, "--box=-1,1", "--maximize", "y0", "--read", self.solve(solver, self.dir / "m.mps"))
            self.assertIn("solution: Optimal\n", out)
            self.assertIn(" y0: ", out)
            self.assertIn("missed at most: ", out)

    def test_refusals(self):
        net, bad = self.dir / "net.onnx", self.dir / "bad.txt"
        onnx.save(network(0), net)
        self.assertIn("--out", self.refused(2, "export", net, "--box=-1,1"))
        self.assertIn(".lp or .mps", self.refused(2, "export", net, "--box=-1,1", "--out", self.dir / "m.txt"))
        self.assertIn("--vnnlib", self.refused(2, "export", net, "--box=-1,1", "--property", "--out", self.dir / "m.lp"))
        self.assertIn("y2", self.refused(2, "export", net, "--box=-1,1", "--maximize", "y2", "--out", self.dir / "m.lp"))
        self.refused(2, "export", net, "--out", self.dir / "m.lp")
        for text in ("", "hello\n", "Optimal - objective value 1\n 0 other 1 0\n", "c x\ns mip 1 1 o 0\nj 1 0\ne o f\n"):
            bad.write_text(text)
            self.assertIn("bad.txt: line", self.refused(4, "export", net, "--box=-1,1", "--read", bad))
        self.assertFalse((self.dir / "m.lp").exists())


if __name__ == "__main__":
    unittest.main()
