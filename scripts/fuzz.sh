#!/usr/bin/env bash
# Runs every fuzz target for so many seconds: fuzz.sh [SECONDS]. New inputs gather in
# build/fuzz/corpus/; an input that breaks something is kept in build/fuzz/finds/.
set -euo pipefail
. "$(dirname "$0")/common.sh"

seconds=${1:-60}
mkdir -p build/fuzz/finds
configure_and_build fuzz -- --no-print-directory -s

fuzz_one()
{
    local name=$1 corpus=build/fuzz/corpus/$1 seeds=fuzz/seeds/$1 dictionary=fuzz/$1.dict options=()
    mkdir -p "$corpus"
    [ ! -d "$seeds" ] || options+=("$seeds")
    [ ! -e "$dictionary" ] || options+=("-dict=$dictionary")
    if "build/fuzz/fuzz/$name" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/finds/$name-" "$corpus" ${options[@]+"${options[@]}"} \
        >"build/fuzz/$name.log" 2>&1 </dev/null; then
        echo "ok      $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log") runs"
    else
        echo "FAILED  $name"
        tail -n 40 "build/fuzz/$name.log"
        return 1
    fi
}

wait_for_batch()
{
    local pid
    for pid in "${running[@]}"; do
        if wait "$pid"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
        fi
    done
    running=()
}

running=()
for program in build/fuzz/fuzz/fuzz_*; do
    [ -x "$program" ] || continue
    fuzz_one "$(basename "$program")" &
    running+=($!)
    [ "${#running[@]}" -lt "$jobs" ] || wait_for_batch
done
[ "${#running[@]}" -eq 0 ] || wait_for_batch
print_tally
