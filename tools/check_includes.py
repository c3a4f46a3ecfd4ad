#!/usr/bin/env python3
"""Fails on an include that goes against the walk of the data: a room may include only the rooms it needs."""
import pathlib
import re
import sys

# Room → rooms it may include, as docs/architecture.md draws it.
ALLOWED = {
    "base": set(),
    "view": {"base"},
    "polytope": {"base"},
    "network": {"base", "polytope"},
    "forms": {"base", "polytope", "network"},
    "region": {"base", "polytope", "network", "forms"},
    "partition": {"base", "polytope", "network", "forms", "region"},
    "bounds": {"base", "polytope", "network", "forms", "region", "partition"},
    "verify": {"base", "polytope", "network", "forms", "region", "partition", "bounds"},
    "learn": {"base", "polytope", "network"},
    "signal": {"base", "polytope"},
    "sensing": {"base", "polytope", "network", "region", "bounds", "learn", "signal", "view"},
}
# Public headers stay light: the standard library and Eigen/Core.
HEADER_OK = re.compile(r"#include (<[a-z0-9_]+>|<Eigen/Core>|\"unrect/.*\")$")


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent
    bad = []
    for path in sorted((root / "unrect").rglob("*.[ch]pp")):
        room = path.parent.name
        if room not in ALLOWED:
            bad.append(f"{path.relative_to(root)}: '{room}' is not a room; expected one of {', '.join(ALLOWED)}")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.startswith("#include"):
                continue
            place = f"{path.relative_to(root)}:{number}"
            target = re.match(r'#include "unrect/(\w+)/', line)
            if target and target[1] != room and target[1] not in ALLOWED[room]:
                bad.append(f"{place}: {room} may not include {target[1]}")
            internal = path.stem.endswith(("_for_tests", "_internal")) or path.name in INTERNAL
            if path.suffix == ".hpp" and not internal and not HEADER_OK.match(line):
                bad.append(f"{place}: a public header includes only std, Eigen/Core and unrect")
    print("\n".join(bad) if bad else "every include follows the walk of the data")
    return 1 if bad else 0


# Headers that are not installed.
INTERNAL = {"canvas.hpp", "engine.hpp", "image_formats.hpp", "layout.hpp", "onnx_graph.hpp"}

if __name__ == "__main__":
    sys.exit(main())
