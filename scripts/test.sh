#!/usr/bin/env bash
# make test: everything in an optimized build and under ASan+UBSan, what has threads under TSan, the
# runtime and the sessions without assembly and io_uring.
# Ends with the sum over all runs, alone on its line.
set -euo pipefail
. "$(dirname "$0")/common.sh"

scripts/install-deps.sh build test
mkdir -p build

# Old sanitizers cannot place their shadow when the kernel randomizes more bits than they know.
without_randomization=()
if setarch -R true 2>/dev/null; then
    without_randomization=(setarch -R)
fi

# One attribute of the report's <testsuite>.
read_count()
{
    sed -n "s/^[[:space:]]*$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

count_report()
{
    local preset=$1 report=$2 total failures_here skipped_here disabled name
    total=$(read_count "$report" tests)
    failures_here=$(read_count "$report" failures)
    skipped_here=$(read_count "$report" skipped)
    disabled=$(read_count "$report" disabled)
    failed=$((failed + failures_here))
    skipped=$((skipped + skipped_here + disabled))
    passed=$((passed + total - failures_here - skipped_here - disabled))
    while read -r name; do
        failures+=("$preset: $name")
    done < <(sed -n 's/.*<testcase name="\([^"]*\)".*status="fail".*/\1/p' "$report")
}

run_preset()
{
    local preset=$1 report=build/$1/report.xml
    shift
    say "$preset: build"
    # What could not be built is one failure here, and one for each test that it takes away.
    if ! configure_and_build "$preset" -- --no-print-directory -s -k; then
        failed=$((failed + 1))
        failures+=("$preset: build")
    fi
    say "$preset: run"
    rm -f "$report"
    "${without_randomization[@]}" ctest --test-dir "build/$preset" --parallel "$jobs" \
        --output-on-failure --no-tests=ignore --output-junit "$root/$report" "$@" || true
    if [ -e "$report" ]; then
        count_report "$preset" "$report"
    else
        failed=$((failed + 1))
        failures+=("$preset: no report of the run")
    fi
}

run_preset release
run_preset asan
run_preset tsan --label-regex '^threads$'
run_preset portable --label-regex '^(rt|ws)$'
say "make test"
print_tally
