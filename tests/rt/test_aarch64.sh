#!/usr/bin/env bash
# ctest: once timeout=300
# The library for AArch64, assembly included, works: it is compiled with all warnings by a cross
# compiler and run by qemu.
set -euo pipefail

cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: $tool is not installed"
        exit 77
    fi
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

quietly()
{
    "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
}

# Without pkg-config none of the host's libraries is found: the library alone, with its loops over
# epoll and sim.
quietly cmake -S "$WEIR_SOURCE_DIR" -B "$scratch/build" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_C_COMPILER=$cc -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_FLAGS_DEBUG='-O1 -g' -DWEIR_WERROR=ON -DWEIR_TESTS=OFF -DWEIR_EXAMPLES=OFF -DWEIR_BENCH=OFF
grep -q 'context: *aarch64' "$scratch/log" || { cat "$scratch/log"; exit 1; }
quietly cmake --build "$scratch/build" --parallel 2 --target weir_static
# Static, so that qemu needs no loader.
quietly $cc -std=c11 -O2 -g -Wall -Wextra -Wpedantic -Werror -I "$WEIR_SOURCE_DIR/include" \
    "$WEIR_SOURCE_DIR/tests/rt/programs/foreign.c" "$scratch/build/libweir.a" -static -pthread -o "$scratch/foreign"
timeout 60 qemu-aarch64 "$scratch/foreign"
