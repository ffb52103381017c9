#!/usr/bin/env bash
# ctest: timeout=300 loops serial once
# The limits of memory: 15,000 idle sessions in one process at 6.5 KiB each, all of which answer afterwards; and a message of 1 GiB that streams through in less than 32 MiB
# (make bench sends one of 4 GiB).
set -euo pipefail
bench="$WEIR_BUILD_DIR/bench"
if [ ! -x "$bench/bench_idle" ] || [ ! -x "$bench/bench_stream" ]; then
  echo "skipped: the benchmarks are not built"
  exit 77
fi
sessions=15000
files=$(ulimit -Hn)
if [ "$files" != unlimited ] && [ "$files" -lt $((sessions + 200)) ]; then
  echo "skipped: a process may only open $files files here"
  exit 77
fi
"$bench/bench_idle" "$sessions" 6656
"$bench/bench_stream" 1024 32768
