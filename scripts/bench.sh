#!/usr/bin/env bash
# Builds the release preset and measures: bench.sh short|full
set -euo pipefail
. "$(dirname "$0")/common.sh"

form=${1:-short}
mkdir -p build
scripts/install-deps.sh build bench
configure_and_build release -- --no-print-directory -s
export WEIR_BIN=$root/build/release/weir WEIR_BUILD_DIR=$root/build/release
export NODE_PATH=$root/build/npm/node_modules:/usr/share/nodejs
if [ "$form" = full ]; then
    exec bench/run.py --full
fi
exec bench/run.py
