#!/bin/bash
# run_instance.sh v1 CATEGORY ONNX VNNLIB RESULTS TIMEOUT: writes sat (with its witness), unsat, unknown, timeout or error.
set -uo pipefail
[ "${1:-}" = v1 ] || { echo "run_instance.sh: version '${1:-}'; expected v1" >&2; exit 1; }
[ $# -eq 6 ] || { echo "run_instance.sh: expected v1 CATEGORY ONNX VNNLIB RESULTS TIMEOUT" >&2; exit 1; }
unrect=${UNRECT:-$(dirname "$0")/../build/native/bin/unrect}
answer=$(mktemp -d) || exit 1
trap 'rm -rf "$answer"' EXIT
# Whoever runs this stops it at TIMEOUT: the answer has to be there before.
limit=$(awk -v t="$6" 'BEGIN { print (t > 4 ? t - 2 : t / 2) }')
if ! "$unrect" verify "$3" "$4" --time-limit "$limit" --threads "$(nproc)" --results "$answer/results.txt"; then
  echo error > "$answer/results.txt"
fi
cat "$answer/results.txt" > "$5"
