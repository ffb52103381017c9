#!/usr/bin/env bash
# ctest: once timeout=300
# The library for AArch64, assembly included, works: it is compiled with all warnings by a cross compiler and run by qemu.
set -euo pipefail

cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    if ! command -v $tool >/dev/null; then
        echo "skipped: $tool is not installed"
        exit 77
    fi
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$WEIR_SOURCE_DIR"

# qemu knows no io_uring, and the cross compiler has no liburing.
mapfile -t sources < <(find src/wire src/rt src/net src/ws -name '*.c' ! -name 'loop_uring*')
# Static, so that qemu needs no loader; ld's word that a static program needs glibc's name services is no news.
$cc -std=c11 -O1 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Werror -D_GNU_SOURCE -DWEIR_BUILDING \
    -DWEIR_CONTEXT_NAME='"aarch64"' -I include -I src "${sources[@]}" src/rt/context_aarch64.S \
    tests/rt/programs/foreign.c -static -pthread -o "$scratch/foreign" 2>"$scratch/log" ||
    { cat "$scratch/log"; exit 1; }
timeout 60 qemu-aarch64 "$scratch/foreign"
