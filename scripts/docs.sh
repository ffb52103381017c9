#!/usr/bin/env bash
# Public documentation by Doxygen, into build/docs/html; a warning is an error.
set -euo pipefail
. "$(dirname "$0")/common.sh"

mkdir -p build/docs
version=$(sed -n 's/^#define WEIR_VERSION_\(MAJOR\|MINOR\|PATCH\) *\([0-9]*\).*/\2/p' \
    include/weir/version.h | paste -sd.)
WEIR_VERSION=$version doxygen docs/Doxyfile
echo "build/docs/html/index.html"
