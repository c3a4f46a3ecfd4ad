#!/usr/bin/env python3
"""Runs `unrect verify` over sets of instances and compares its answers with the competition's.

    tools/verify_sets.py DATA [SET …] [--unrect BIN] [--time-limit S] [--every N] [--threads N] [--certificates]

DATA/SET/instances.csv names networks and properties (with .gz or not) and holds the competition's verdicts. Prints a line for
every instance that is open, disputed or against the verdict, and one for each set: processor seconds (sum and worst), answers.
--certificates: every verdict is asked for once more with a certificate, which is checked; the sums of what solving, solving with
a certificate and checking take follow. Exit status 1 if an answer contradicts an undisputed verdict, a witness does not hold, or a
certificate is not valid.
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
import tempfile


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
    parser.add_argument("--certificates", action="store_true")
    options = parser.parse_args()
    wrong = 0
    proof = pathlib.Path(tempfile.mkdtemp()) / "proof.npz"
    for name in options.sets or sorted(p.name for p in options.data.iterdir() if (p / "instances.csv").exists()):
        folder = options.data / name
        answers, total, worst = collections.Counter(), 0.0, 0.0
        proved, solving, proving, checking = 0, 0.0, 0.0, 0.0
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
            if not options.certificates or result not in ("sat", "unsat"):
                continue
            proof.unlink(missing_ok=True)
            files = [existing(folder / row["network"]), existing(folder / row["property"])]
            _, with_proof = run([options.unrect, "verify", *files, "--certificate", proof, "--time-limit",
                                 str(10 * options.time_limit)])
            if not proof.exists():
                print(f"{row['network']} {row['property']}: {result} without a certificate", flush=True)
                continue
            done, check = run([options.unrect, "check", proof, "--network", files[0], "--property", files[1], "--json"])
            valid = done.returncode == 0 and json.loads(done.stdout)["valid"]
            wrong += not valid
            proved, solving, proving, checking = proved + valid, solving + seconds, proving + with_proof, checking + check
            if not valid or check > max(0.1, seconds / 3):
                print(f"{row['network']} {row['property']}: {result} in {seconds:.2f} s, certificate "
                      f"{'checked' if valid else 'NOT VALID ' + done.stdout + done.stderr} in {check:.2f} s", flush=True)
        told = ", ".join(f"{count} {result} ({verdict})" for (verdict, result), count in sorted(answers.items()))
        print(f"{name}: {total:.1f} s, the longest {worst:.2f} s; {told}", flush=True)
        if options.certificates:
            print(f"{name}: {proved} certificates valid; {solving:.1f} s to solve, {proving:.1f} s with the certificate, "
                  f"{checking:.1f} s to check", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
