#!/usr/bin/env python3
"""Runs `unrect verify` over sets of instances and compares its answers with the competition's.

    tools/verify_sets.py DATA [SET …] [--unrect BIN] [--time-limit S] [--every N] [--threads N]

DATA/SET/instances.csv names networks and properties (with .gz or not) and holds the competition's verdicts. Prints a line for
every instance that is open, disputed or against the verdict, and one for each set: processor seconds (sum and worst), answers.
Exit status 1 if an answer contradicts an undisputed verdict, or a witness does not hold.
"""
import argparse
import collections
import csv
import json
import os
import pathlib
import resource
import subprocess
import sys


def existing(path: pathlib.Path) -> pathlib.Path:
    zipped = path.with_name(path.name + ".gz")
    return zipped if zipped.exists() else path


def run(command: list) -> tuple:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--unrect", default=os.environ.get("UNRECT", "build/native/bin/unrect"))
    parser.add_argument("--time-limit", type=float, default=60)
    parser.add_argument("--every", type=int, default=1, help="only every Nth instance")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    wrong = 0
    for name in options.sets or sorted(p.name for p in options.data.iterdir() if (p / "instances.csv").exists()):
        folder = options.data / name
        answers, total, worst = collections.Counter(), 0.0, 0.0
        for row in list(csv.DictReader(open(folder / "instances.csv")))[:: options.every]:
            done, seconds = run([options.unrect, "verify", existing(folder / row["network"]),
                                 existing(folder / row["property"]), "--json", "--time-limit", str(options.time_limit),
                                 "--threads", str(options.threads)])
            total, worst = total + seconds, max(worst, seconds)
            answer = json.loads(done.stdout) if done.returncode == 0 else {"result": "error", "reason": done.stderr}
            result, verdict = answer["result"], row["verdict"]
            answers[verdict, result] += 1
            against = result in ("sat", "unsat") and verdict in ("sat", "unsat") and result != verdict
            false_witness = result == "sat" and not answer["real"]
            wrong += against or false_witness
            only_real = result == "sat" and not answer["float32"]
            if against or false_witness or only_real or verdict == "disputed" or result not in ("sat", "unsat"):
                print(f"{row['network']} {row['property']}: {verdict} ({row['votes']}), here {result} in {seconds:.2f} s"
                      f"{' WRONG' if against or false_witness else ''}{', in exact arithmetic only' if only_real else ''}"
                      f" {answer.get('reason') or ''}", flush=True)
        told = ", ".join(f"{count} {result} ({verdict})" for (verdict, result), count in sorted(answers.items()))
        print(f"{name}: {total:.1f} s, the longest {worst:.2f} s; {told}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
