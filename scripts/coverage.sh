#!/usr/bin/env bash
# Line coverage of src/ by the whole suite: by file and by storey. Fails below a storey's bar, and when a test fails.
set -euo pipefail
. "$(dirname "$0")/common.sh"

mkdir -p build
configure_and_build coverage -- --no-print-directory -s
find build/coverage -name '*.gcda' -delete
suite=0
ctest --test-dir build/coverage --parallel "$jobs" --output-on-failure --no-tests=ignore || suite=$?
/usr/bin/python3 scripts/coverage.py build/coverage
if [ "$suite" -ne 0 ]; then
    echo "coverage: tests failed, see above" >&2
fi
exit "$suite"
