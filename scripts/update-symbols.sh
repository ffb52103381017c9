#!/usr/bin/env bash
# Writes src/weir.symbols, the list of what libweir.so exports, from a build: read the difference
# before committing it, for a name that goes away breaks programs.
set -euo pipefail
. "$(dirname "$0")/common.sh"

library=${1:-build/release/libweir.so}
nm -D --defined-only "$library" | sed -n 's/.* [TDBRVWi] \([^@]*\).*/\1/p' | LC_ALL=C sort >src/weir.symbols
wc -l src/weir.symbols
