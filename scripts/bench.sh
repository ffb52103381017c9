#!/usr/bin/env bash
# Builds the release preset and runs every benchmark.
set -euo pipefail
. "$(dirname "$0")/common.sh"

mkdir -p build
configure_and_build release -- --no-print-directory -s
export WEIR_BIN=$root/build/release/weir WEIR_BUILD_DIR=$root/build/release WEIR_SOURCE_DIR=$root
status=0
for program in build/release/bench/bench_*; do
    [ -x "$program" ] || continue
    say "$(basename "$program")"
    "$program" || { echo "$program ended with $?"; status=1; }
done
exit $status
