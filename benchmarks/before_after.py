#!/usr/bin/env python3
"""Two builds of unrect on the same work, in turn: processor seconds of whole runs, and their ratios, as rows of a table.

    python3 benchmarks/before_after.py OLD_UNRECT NEW_UNRECT [--runs 5] [--only WORD] [--data FOLDER]

A run of the one follows a run of the other, so that a machine whose speed drifts slows both. The ratio is the median over the pairs;
the least seconds of each build stand beside it.
"""
import argparse
import os
import resource
import statistics
import subprocess
import tempfile

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def works(data, folder):
    """What is timed: (room, name, arguments)."""
    partition, onnx, verify = (os.path.join(data, name) for name in ("partition", "onnx", "verify"))
    acas = os.path.join(onnx, "acasxu", "ACASXU_run2a_1_1_batch_2000.onnx")
    digits = os.path.join(data, "mnist", "t10k-images-idx3-ubyte.gz")
    mnist = os.path.join(onnx, "mnistfc", "mnist-net_256x4.onnx")
    resnet = next(os.path.join(at, name) for at, _, names in os.walk(onnx) for name in names if name.startswith("resnet_2b"))
    models = os.path.join(root, "models")
    count = ["--count-only"]
    wide = os.path.join(folder, "wide.npz")
    deep = os.path.join(folder, "deep.npz")
    yield "partition", "2 inputs, 2×400 units", ["regions", wide, "--box", "-1,1"] + count
    yield "partition", "2 inputs, 6×60 units", ["regions", deep, "--box", "-1,1"] + count
    yield "partition", "4 inputs, 3×16 units", ["regions", f"{partition}/rand_4_3x16.npz", "--box", "-1,1"] + count
    yield "partition", "8 inputs, certificate", ["regions", f"{partition}/rand_8_2x10.npz", "--box", "-1,1", "--certify"] + count
    yield "partition", "10 inputs, 3×8 units", ["regions", f"{partition}/rand_10_3x8.npz", "--box", "-1,1"] + count
    yield "partition", "ACAS Xu 1-1, property 3", ["regions", acas, "--vnnlib", f"{verify}/acasxu/prop_3.vnnlib.gz"] + count
    yield "partition", "plane through three digits", ["regions", mnist, "--slice", f"{digits}:0", f"{digits}:1", f"{digits}:2"] + count
    yield "inspect", "ACAS Xu 1-1, all facets", ["inspect", acas, "--at", "0.6,0.1,0.1,0.4,-0.4", "--all-facets"]
    yield "inspect", "mnistfc 256×4", ["inspect", mnist, "--sample", f"{digits}:0"]
    yield "inspect", "resnet_2b", ["inspect", resnet, "--random"]
    yield "recovery", "generated images, tv and iht", ["bench", "sensing", "--data", "leaves", "--ratio", "0.25", "--methods", "tv,iht"]
    yield "recovery", "generated images, the model for 10 %", ["bench", "sensing", "--data", "leaves", "--operator", "orthonormal", "--ratio", "0.1",
                                                          "--methods", "net", "--model", os.path.join(models, "recovery-any.onnx")]
    for method in ("feasible-al", "adam"):
        yield "training", f"digits, {method}, 4 epochs", ["train", "--task", "recovery", "--data", "digits", "--samples", "8000",
                                                         "--measurements", "30", "--seed", "1", "--method", method, "--epochs", "4"]
    yield "training", "images, 2 epochs", ["train", "--task", "recovery", "--data", "leaves", "--measurements", "109", "--epochs", "2",
                                           "--samples", "24", "--seed", "1"]


def seconds(program, arguments, folder):
    """Processor seconds of one run, or what it said when it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([program] + arguments, cwd=folder, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1:]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--data", default=os.environ.get("UNRECT_DATA", os.path.join(root, "..", "shared", "data")))
    options = parser.parse_args()
    old, new, data = (os.path.abspath(path) for path in (options.old, options.new, options.data))
    print("| room | work | before | after | after / before |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, widths in (("wide", "2,400,400,1"), ("deep", "2,60,60,60,60,60,60,1")):
            subprocess.run([new, "random", widths, "--seed", "1", "--out", f"{folder}/{name}.npz"], check=True, capture_output=True)
        for room, name, arguments in works(data, folder):
            if options.only and options.only not in room:
                continue
            times = {old: [], new: []}
            for _ in range(options.runs):
                for program in (old, new):
                    time, refusal = seconds(program, arguments, folder)
                    times[program].append(time)
                    if refusal:
                        print(f"| {room} | {name} | refused by {'the old' if program == old else 'the new'}: {refusal} | | |", flush=True)
            if None in times[old] or None in times[new]:
                continue
            ratio = statistics.median(b / a for a, b in zip(times[old], times[new]))
            print(f"| {room} | {name} | {min(times[old]):.3g} s | {min(times[new]):.3g} s | {ratio:.2f} |", flush=True)


main()
