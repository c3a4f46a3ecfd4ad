#!/bin/bash
# prepare_instance.sh v1 CATEGORY ONNX VNNLIB: says whether unrect can read the instance. Nothing is computed ahead.
set -uo pipefail
[ "${1:-}" = v1 ] || { echo "prepare_instance.sh: version '${1:-}'; expected v1" >&2; exit 1; }
[ $# -eq 4 ] || { echo "prepare_instance.sh: expected v1 CATEGORY ONNX VNNLIB" >&2; exit 1; }
for file in "$3" "$4"; do
  [ -r "$file" ] || { echo "prepare_instance.sh: $file: cannot be read" >&2; exit 1; }
done
