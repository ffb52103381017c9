#!/usr/bin/env bash
# ctest: once
# What libweir.so exports is what src/weir.symbols lists: no more, no less, and nothing internal. A running process can load it.
set -euo pipefail

library=$WEIR_BUILD_DIR/libweir.so
list=$WEIR_SOURCE_DIR/src/weir.symbols
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

nm -D --defined-only "$library" | sed -n 's/.* [TDBRVWi] \([^@]*\).*/\1/p' | LC_ALL=C sort >"$scratch/exported"
if grep -vE '^weir_[a-z0-9]' "$scratch/exported"; then
    echo "these are exported and do not belong to the public interface" >&2
    exit 1
fi
if ! diff "$list" "$scratch/exported"; then
    echo "< listed, > exported; scripts/update-symbols.sh writes the list anew" >&2
    exit 1
fi
soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
if [ "$soname" != libweir.so.0 ]; then
    echo "the soname is $soname, not libweir.so.0" >&2
    exit 1
fi
# Bindings of other languages load it late, when little room is left for what it keeps for each thread.
if ! /usr/bin/python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1]).weir_loop_current()' "$library"; then
    echo "it cannot be loaded into a running process" >&2
    exit 1
fi
