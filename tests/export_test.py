"""Loads unrect's exports in onnxruntime and compares the values with unrect's own.

Exports of random networks of every kind of node, of models/, of real networks (UNRECT_DATA or ../shared/data, where there) and
of the operator tests of the onnx package, folded and not, in float64, float32 and 8 bits; and models/ as they are. The operator
tests say what to expect, too. onnxruntime has Conv in float32 alone: a float64 export with one must be refused for that reason
and no other.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

WRITE, NODE = os.environ["WRITE_EXPORTS"], os.environ["NODE"]
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GOAL = {"float64": 1e-12, "float32": 1e-5, "int8": 1e-5}  # of the largest answer
NO_DOUBLE = "Could not find an implementation for Conv("


def operator_tests(folder):
    """The onnx package's own, which it makes when asked: the first input stays one, the others become constants. By file, what
    the package expects of it."""
    for name, kind in (("float", float), ("bool", bool), ("int", int), ("object", object)):
        if name not in np.__dict__:
            setattr(np, name, kind)  # names that the package still uses
    from onnx.backend.test.case.node import collect_testcases
    expected = {}
    for case in collect_testcases(*[None] * collect_testcases.__code__.co_argcount):
        inputs, outputs = case.data_sets[0] if case.data_sets else ([], [])
        arrays = [*inputs, *outputs]
        if case.model is None or not inputs or not all(isinstance(value, np.ndarray) for value in arrays):
            continue
        for value, array in list(zip(case.model.graph.input, inputs))[1:]:
            case.model.graph.initializer.append(numpy_helper.from_array(array, value.name))
        file = folder / f"{case.name}.onnx"
        file.write_bytes(case.model.SerializeToString())
        cut = any(node.op_type in ("Softmax", "LogSoftmax") for node in case.model.graph.node)  # unrect ends before it
        if inputs[0].dtype in (np.float32, np.float64) and not cut:
            np.save(file.with_suffix(".x.npy"), inputs[0].reshape(1, -1).astype("f8"))
            numbers = [array for array in outputs if array.dtype.kind in "fib"]
            expected[file] = np.concatenate([np.ravel(array).astype("f8") for array in numbers] or [np.empty(0)])
    return expected


def main():
    data = Path(os.environ.get("UNRECT_DATA", ROOT.parent / "shared/data"))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "tests").mkdir()
        (folder / "exports").mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = operator_tests(folder / "tests")
        files = sorted((folder / "tests").glob("*.onnx"))
        operators = len(files)
        files += sorted((ROOT / "models").glob("*.onnx"))
        real = sorted(data.glob("onnx/**/*.onnx")) + sorted(data.glob("partition/*.onnx"))
        if not real:
            print(f"no real networks in {data}: not loaded")
        written = subprocess.run([WRITE, folder / "exports", *files, *real], capture_output=True, text=True)
        assert written.returncode == 0, written.stderr
        refused = written.stdout.splitlines()
        print(f"{operators} operator tests, {len(files) - operators} models, {len(real)} real networks; "
              f"unrect refuses {len(refused)} of them")
        for number, file in enumerate(files, 2):
            if file.parent == ROOT / "models":  # as it is, too: it answers as its export in float32
                for suffix in ("x.npy", "y.npy"):
                    exported = folder / "exports" / f"{number}_{file.stem}.plain.float32.{suffix}"
                    shutil.copy(exported, folder / "exports" / f"{file.stem}.shipped.float32.{suffix}")
                shutil.copy(file, folder / "exports" / f"{file.stem}.shipped.float32.onnx")
        failed = 0
        for number, file in enumerate(files, 2):
            answer = folder / "exports" / f"{number}_{file.stem}.plain.float64.y.npy"
            if file in expected and answer.exists():
                y = np.load(answer)[0]
                if y.shape != expected[file].shape or not np.allclose(y, expected[file], rtol=1e-5, atol=1e-6):
                    failed += 1
                    print(f"{file.stem}: unrect does not answer as the onnx package expects")
        ran = subprocess.run([NODE, HERE / "onnxruntime.mjs", folder / "exports"], capture_output=True, text=True)
        if ran.returncode == 77:
            print(ran.stdout.strip())
            return 77
        assert ran.returncode == 0, ran.stderr
        results = [json.loads(line) for line in ran.stdout.splitlines()]
        assert len(results) == len(list((folder / "exports").glob("*.onnx"))) > 0
        count, largest = Counter(), Counter()
        for result in results:
            name = result["name"]
            precision = name.split(".")[-2]
            model = onnx.load(folder / "exports" / name)
            onnx.checker.check_model(model)
            wide_conv = precision == "float64" and any(node.op_type == "Conv" for node in model.graph.node)
            if wide_conv and NO_DOUBLE in result.get("error", ""):
                count["float64 with Conv, which onnxruntime lacks"] += 1
            elif wide_conv or "error" in result or not result["apart"] <= GOAL[precision]:
                failed += 1
                print(f"{name}: {result.get('error', result.get('apart'))}")
            else:
                count[precision] += 1
                largest[precision] = max(largest[precision], result["apart"])
        for precision, number in sorted(count.items()):
            print(f"{number} {precision}" + (f": run, {largest[precision]:.1e} apart at most" if precision in GOAL else ""))
        print(f"{failed} of {len(results)} failed")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
