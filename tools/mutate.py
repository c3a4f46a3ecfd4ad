#!/usr/bin/env python3
"""Breaks the guards one at a time and sees whether a test notices.

Usage: mutate.py [--build DIR] [--only TEXT] [--filter TESTS] [--list]

tools/mutants.toml lists the mutants: a file, a text that stands in it once, what takes its place, and the rooms whose
tests are asked. Each is put into a copy of the sources (below --build, default build/mutation), built and tested alone.
A mutant is killed where a test fails or does not end. A mutant that survives must say in the list why it may
("equivalent = …": what it changes is speed or a bound that stays a bound); any other survivor is a finding, and the exit
status is 1. One whose text is not in its file any more is an error: the list follows the code.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ("CMakeLists.txt", "CMakePresets.json", "cmake", "unrect", "web", "tests", "tools", "apps", "examples", "docs")
TEST_SECONDS = 900


def read_mutants() -> list[dict]:
    mutants = tomllib.loads((ROOT / "tools/mutants.toml").read_text())["mutant"]
    for number, mutant in enumerate(mutants):
        mutant["name"] = f"{number:02d} {mutant['file']}: {mutant['what']}"
        count = (ROOT / mutant["file"]).read_text().count(mutant["find"])
        if count != 1:
            sys.exit(f"mutants.toml: {mutant['name']}: the text to find stands {count} times in the file, expected once")
    return mutants


def run(command: list[str], seconds: float, log: pathlib.Path) -> int:
    """The exit status, or 124 where it did not end."""
    with log.open("ab") as out:
        try:
            return subprocess.run(command, stdout=out, stderr=out, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            return 124


class Workshop:
    """The copy of the sources, its build, and the tests of a room."""

    def __init__(self, folder: pathlib.Path, tests: str):
        self.tests = tests
        self.sources, self.build, self.log = folder / "sources", folder / "build", folder / "log.txt"
        folder.mkdir(parents=True, exist_ok=True)
        for name in SOURCES:
            self.copy(ROOT / name)
        self.drop_what_is_gone()
        # Unoptimised: a mutant is compiled once and tested for a second or two.
        self.must(["cmake", "-S", str(self.sources), "-B", str(self.build), "-G", "Ninja", "-DUNRECT_TESTS=ON",
                   "-DUNRECT_BENCHMARKS=OFF", "-DUNRECT_APPS=ON", "-DCMAKE_BUILD_TYPE=Release", "-DUNRECT_NATIVE=ON",
                   "-DCMAKE_CXX_FLAGS_RELEASE=-O1"])

    def copy(self, path: pathlib.Path) -> None:
        """Files that are the same already keep their date, so that nothing is built twice."""
        files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
        for file in files:
            to = self.sources / file.relative_to(ROOT)
            if not to.exists() or to.read_bytes() != file.read_bytes():
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, to)

    def drop_what_is_gone(self) -> None:
        """The build globs: a file that an earlier run copied, renamed since, would be built with the rest."""
        for file in [f for f in self.sources.rglob("*") if f.is_file()]:
            if not (ROOT / file.relative_to(self.sources)).exists():
                file.unlink()

    def must(self, command: list[str]) -> None:
        if run(command, 7200, self.log) != 0:
            sys.exit(f"mutate: {' '.join(command)} failed; see {self.log}")

    def make(self, rooms: list[str]) -> int:
        targets = [f"{room}_tests" for room in rooms]
        return run(["cmake", "--build", str(self.build), "--parallel", str(len(os.sched_getaffinity(0))),
                    "--target", *targets], 7200, self.log)

    def first_failure(self, rooms: list[str]) -> str:
        """The room whose tests fail, or nothing."""
        for room in rooms:
            program = [str(self.build / f"unrect/{room}_tests"), "--gtest_brief=1", "--gtest_fail_fast",
                       f"--gtest_filter={self.tests}"]
            if run(program, TEST_SECONDS, self.log) != 0:
                return room
        return ""

    def put(self, file: str, text: str) -> None:
        (self.sources / file).write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/mutation", help="where to work")
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--filter", default="*",
                        help="tests that are asked, as for gtest: quicker, but what survives others may kill")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    arguments = parser.parse_args()
    mutants = [m for m in read_mutants() if arguments.only in m["name"]]
    if arguments.list:
        print("\n".join(m["name"] for m in mutants))
        return 0
    os.environ.setdefault("UNRECT_DATA", str(ROOT.parent / "shared/data"))
    shop = Workshop(arguments.build, arguments.filter)
    rooms = sorted({room for m in mutants for room in m["rooms"]})
    if shop.make(rooms) != 0:
        sys.exit(f"mutate: the sources do not build as they are; see {shop.log}")
    if failed := shop.first_failure(rooms):
        sys.exit(f"mutate: the tests of {failed} fail as they are; see {shop.log}")
    killed, excused, survivors = 0, 0, []
    for mutant in mutants:
        start = time.monotonic()
        original = (shop.sources / mutant["file"]).read_text()
        shop.put(mutant["file"], original.replace(mutant["find"], mutant["put"]))
        try:
            if shop.make(mutant["rooms"]) != 0:
                sys.exit(f"mutants.toml: {mutant['name']}: does not compile; see {shop.log}")
            failed = shop.first_failure(mutant["rooms"])
        finally:
            shop.put(mutant["file"], original)
        verdict = f"killed by {failed}" if failed else "equivalent" if "equivalent" in mutant else "SURVIVED"
        killed += bool(failed)
        excused += verdict == "equivalent"
        if verdict == "SURVIVED":
            survivors.append(mutant["name"])
        print(f"{mutant['name']:100} {verdict:20} {time.monotonic() - start:6.0f} s", flush=True)
    print(f"{len(mutants)} mutants: {killed} killed, {excused} equivalent, {len(survivors)} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
