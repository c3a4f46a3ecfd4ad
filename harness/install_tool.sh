#!/bin/bash
# install_tool.sh v1: installs what unrect is built with (Debian 12), and builds it.
set -euo pipefail
[ "${1:-}" = v1 ] || { echo "install_tool.sh: version '${1:-}'; expected v1" >&2; exit 1; }
exec "$(dirname "$0")/../run" build
