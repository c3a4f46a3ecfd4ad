#!/usr/bin/env python3
"""Fails on an include that goes against the walk of the data (a room may include only the rooms it needs), on a public
header that includes an internal one, and on a public header that unrect/unrect.hpp lacks."""
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
    "lifted": {"base", "polytope", "network"},
    "train": {"base", "polytope", "network", "lifted"},
    "signal": {"base", "polytope"},
    "sensing": {"base", "polytope", "network", "region", "bounds", "train", "signal"},
    "recipes": {"base", "network", "lifted", "train", "signal", "sensing"},
}
# Public headers stay light: the standard library, Eigen/Core and each other. A room's internal/ is not installed.
HEADER_OK = re.compile(r"#include (<[a-z0-9_]+>|<Eigen/Core>|\"unrect/\w+/\w+\.hpp\")$")


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent
    umbrella = root / "unrect/unrect.hpp"
    bad = []
    for path in sorted((root / "unrect").rglob("*.[ch]pp")):
        internal = path.parent.name == "internal"
        room = path.parent.parent.name if internal else path.parent.name
        if path == umbrella:
            continue
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
            if path.suffix == ".hpp" and not internal and not HEADER_OK.match(line):
                bad.append(f"{place}: a public header includes only std, Eigen/Core and unrect's public ones")
    public = "".join(f'#include "{header.relative_to(root)}"\n' for header in sorted(root.glob("unrect/*/*.hpp")))
    if public not in umbrella.read_text():
        bad.append(f"{umbrella.relative_to(root)}: expected to include every public header, in order:\n{public}")
    print("\n".join(bad) if bad else "every include follows the walk of the data")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
