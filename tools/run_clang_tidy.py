#!/usr/bin/env python3
"""clang-tidy over every source of a configured build folder whose generated headers exist; fails on any finding.

Usage: run_clang_tidy.py BUILD [PATTERN]   (PATTERN: only sources whose path below the root contains it)
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def for_clang(entry: dict) -> dict:
    """The entry without gcc's precompiled header, which clang cannot read; unknown -W options are let pass."""
    words = shlex.split(entry["command"])
    kept = [words[0], "-Wno-unknown-warning-option"]
    i = 1
    while i < len(words):
        if words[i] == "-include" and words[i + 1].endswith("cmake_pch.hxx"):
            i += 2
            continue
        kept.append(words[i])
        i += 1
    return {"directory": entry["directory"], "file": entry["file"], "arguments": kept}


def tidy(database: str, source: str) -> str:
    """What clang-tidy has to say against the source: nothing where it is clean."""
    done = subprocess.run(["clang-tidy-16", "--quiet", "-p", database, source], capture_output=True, text=True)
    if done.returncode == 0 and "warning:" not in done.stdout:
        return ""
    return done.stdout or done.stderr or f"{source}: clang-tidy ended with {done.returncode}\n"


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(sys.argv[1]).resolve()
    pattern = sys.argv[2] if len(sys.argv) == 3 else ""
    entries = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["file"])
        ours = source.is_relative_to(ROOT) and not source.is_relative_to(build) and source.suffix == ".cpp"
        if ours and pattern in str(source.relative_to(ROOT)):
            entries.append(for_clang(entry))
    sources = sorted({entry["file"] for entry in entries})
    if not sources:
        print(f"clang-tidy: no source of {build} matches '{pattern}'", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "compile_commands.json").write_text(json.dumps(entries))
        found = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for output in pool.map(lambda source: tidy(folder, source), sources):
                if output:
                    found += 1
                    print(output, flush=True)
    print(f"clang-tidy: {len(sources)} sources, {found} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
