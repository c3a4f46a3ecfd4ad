#!/usr/bin/python3
"""Compares unrect with tools/reference_forward.py on every model below a folder and prints a Markdown table.

    check_import.py build/native/tests/evaluate_network FOLDER [--samples 1000]

Float and double: unrect in that precision against the reference in double. Export: unrect's own .onnx, written in
double, checked by onnx and evaluated by the reference in double, against unrect in double. Each number is
max |Δ| / max |y| over samples and outputs; goals 1e-6 and 1e-12. The exit status is 1 when one is missed. The column
numpy is the reference's own error in float32: where it is as large, the model is ill-conditioned for float32.
"""
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from reference_forward import Reference

FLOAT_GOAL, DOUBLE_GOAL = 1e-6, 1e-12


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    return done.returncode == 0, (done.stdout if done.returncode == 0 else done.stderr).strip()


def error(got, want):
    return float(np.abs(got - want).max() / max(np.abs(want).max(), np.finfo("f4").tiny))


def check(tool, path, count, folder):
    graph = onnx.load(path).graph
    ops = ", ".join(f"{op} {n}" if n > 1 else op for op, n in sorted(Counter(n.op_type for n in graph.node).items()))
    ok, text = run(tool, path)
    cut = ["--cut-softmax"] if not ok and "cut_softmax" in text else []
    if cut:
        ok, text = run(tool, path, *cut)
    if not ok:
        return [path.name, ops, "", "", "", text.removeprefix(f"{path}: "), "", "", "", ""], True
    inputs, outputs, units = (int(v) for v in text.split())
    if inputs > 3000:
        count = min(count, 200)
    x = np.random.default_rng(1).uniform(-1, 1, (count, inputs)).astype("f4").astype("f8")
    np.save(folder / "x.npy", x)
    out = folder / "export.onnx"
    results = []
    for flags in (["--float"], ["--export", out], ["--no-fold"]):
        ok, text = run(tool, path, folder / "x.npy", folder / "y.npy", *cut, *flags)
        assert ok, text
        results.append(np.load(folder / "y.npy"))
    reference = Reference(path, "f8", bool(cut))
    want = np.stack([reference(row) for row in x])
    single = Reference(path, "f4", bool(cut))
    numpy_error = error(np.stack([single(row) for row in x]).astype("f8"), want)
    float_error = error(results[0], want)
    double_error = max(error(results[1], want), error(results[2], want))
    onnx.checker.check_model(onnx.load(out), full_check=True)
    exported = Reference(out, "f8")
    some = x[:50]
    export_error = error(np.stack([exported(row) for row in some]), results[1][:50])
    good = float_error <= FLOAT_GOAL and double_error <= DOUBLE_GOAL and export_error <= DOUBLE_GOAL
    status = ("loaded without its softmax" if cut else "loaded") + ("" if good else ", **off**")
    return [path.name, ops, inputs, outputs, units, status, f"{float_error:.1e}", f"{numpy_error:.1e}",
            f"{double_error:.1e}", f"{export_error:.1e}"], good


def main():
    tool, root = sys.argv[1:3]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1000
    print("| model | ops | inputs | outputs | units | status | float | numpy | double | export |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    all_good = True
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(Path(root).rglob("*.onnx")):
            row, good = check(tool, path, count, Path(folder))
            all_good = all_good and good
            print("| " + " | ".join(str(v) for v in row) + " |", flush=True)
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main())
