#!/usr/bin/env python3
"""clang-tidy over every source of a build folder; fails on any finding. Usage: run_clang_tidy.py BUILD [PATTERN]"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def main() -> int:
    build = pathlib.Path(sys.argv[1])
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    root = pathlib.Path(__file__).resolve().parent.parent
    entries = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if not entry["file"].startswith(str(root)) or str(build.resolve()) in entry["file"] or pattern not in entry["file"]:
            continue
        if not entry["file"].endswith(".cpp"):
            continue
        # clang cannot read gcc's precompiled headers, and does not know all of its options.
        command = re.sub(r"-Winvalid-pch|-include \S*cmake_pch\.hxx|-mprefer-vector-width=\d+|-Wno-maybe-uninitialized", "",
                         entry["command"])
        entry["command"] = re.sub(r"^.*?ccache ", "", command)
        entries.append(entry)
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "compile_commands.json").write_text(json.dumps(entries))

        def tidy(source: str) -> tuple[str, str]:
            done = subprocess.run(["clang-tidy-16", "--quiet", "-p", folder, source], capture_output=True, text=True)
            return source, done.stdout if done.returncode or "warning:" in done.stdout else ""

        found = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for source, output in pool.map(tidy, sorted({e["file"] for e in entries})):
                if output:
                    found += 1
                    print(output)
        print(f"clang-tidy: {len(entries)} sources, {found} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
