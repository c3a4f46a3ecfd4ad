#!/usr/bin/env bash
# Fails, naming the files, unless every C++ source is as clang-format would write it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
find unrect apps benchmarks fuzz tools examples web \( -name '*.cpp' -o -name '*.hpp' \) -print0 |
  xargs -0 clang-format-16 --dry-run --Werror
