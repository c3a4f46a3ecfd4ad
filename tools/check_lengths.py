#!/usr/bin/env python3
"""Fails on a source file of more than 500 lines whose first lines do not say why it is one piece.

A file answers one question; a long one mostly answers two and is to be split. One that is better whole has a comment
among its first 20 lines that begins with "In one piece:" and gives the reason.
"""
import pathlib
import sys

FOLDERS = ("unrect", "apps", "tests", "benchmarks", "tools", "web", "fuzz", "examples", "cmake")
SOURCES = {".cpp", ".hpp", ".py", ".js", ".mjs", ".css", ".html", ".cmake", ".sh"}
MOST = 500
REASON = "In one piece:"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    files = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.suffix in SOURCES]
    bad = []
    for path in files:
        lines = path.read_text().splitlines()
        if len(lines) > MOST and not any(REASON in line for line in lines[:20]):
            bad.append(f"{path.relative_to(root)}: {len(lines)} lines; expected at most {MOST}, or a comment at the top "
                       f"that says '{REASON} …'")
    if len(files) < 100:
        bad.append(f"{len(files)} source files found; expected those of the whole project")
    print("\n".join(bad) if bad else f"{len(files)} files, none of more than {MOST} lines without a reason")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
