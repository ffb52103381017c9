#!/usr/bin/env bash
# Line coverage of src/ by the whole suite: by file and by storey. Fails below a storey's bar.
set -euo pipefail
. "$(dirname "$0")/common.sh"

mkdir -p build
configure_and_build coverage -- --no-print-directory -s
find build/coverage -name '*.gcda' -delete
ctest --test-dir build/coverage --parallel "$jobs" --output-on-failure --no-tests=ignore || true
/usr/bin/python3 scripts/coverage.py build/coverage
