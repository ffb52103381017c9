#!/usr/bin/env bash
# make check: what can be said about the code without running it. Each step is counted as a test.
set -euo pipefail
. "$(dirname "$0")/common.sh"

scripts/install-deps.sh build test check
mkdir -p build
SKIP=77

check_format()
{
    local tool
    tool=$(find_tool clang-format-14 clang-format)
    if ! "$tool" --version | grep -q 'version 14\.'; then
        echo "the format is the one of clang-format 14; here is $("$tool" --version)"
        return $SKIP
    fi
    list_c_files | xargs "$tool" --dry-run -Werror
}

check_shell()
{
    local scripts
    mapfile -t scripts < <(find scripts .ci tests -type f \( -name '*.sh' -o -path '.ci/run' \))
    bash -n "${scripts[@]}"
    command -v shellcheck >/dev/null || return $SKIP
    shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
}

check_leftovers()
{
    ! grep -rnE '\b(TODO|FIXME|XXX)\b' include src cli examples bench tests fuzz docs \
        --include='*.[chS]' --include='*.md' --include='*.py' --include='*.mjs' 2>/dev/null
}

check_sizes()
{
    list_c_files | xargs /usr/bin/python3 scripts/check-sizes.py
}

check_clang_build()
{
    configure_and_build clang -- --no-print-directory -s
}

check_words()
{
    tests/house/test_words.py
}

check_layering()
{
    WEIR_BUILD_DIR="$root/build/clang" WEIR_CC=clang tests/house/test_layering.py
}

check_symbols()
{
    WEIR_BUILD_DIR="$root/build/clang" WEIR_SOURCE_DIR="$root" tests/house/test_symbols.sh
}

check_headers()
{
    WEIR_CC=clang WEIR_SOURCE_DIR="$root" tests/house/test_headers.sh
}

check_tidy()
{
    local tool
    tool=$(find_tool clang-tidy-14 clang-tidy)
    find src cli examples -name '*.c' | LC_ALL=C sort |
        xargs -P "$jobs" -n 4 "$tool" -p build/clang --quiet --warnings-as-errors='*' 2>&1 |
        { grep -vE '^[0-9]+ warnings? generated\.$' || true; }
}

run_step()
{
    local name=$1 status=0
    shift
    "$@" >"build/check.log" 2>&1 || status=$?
    case $status in
    0)
        passed=$((passed + 1))
        printf 'ok       %s\n' "$name"
        ;;
    "$SKIP")
        skipped=$((skipped + 1))
        printf 'skipped  %s: %s\n' "$name" "$(tail -n 1 build/check.log)"
        ;;
    *)
        failed=$((failed + 1))
        failures+=("$name")
        printf 'FAILED   %s\n' "$name"
        sed 's/^/    /' build/check.log
        ;;
    esac
}

say "make check"
run_step "format" check_format
run_step "shell scripts" check_shell
run_step "nothing left over" check_leftovers
run_step "sizes of functions and files" check_sizes
run_step "words and width" check_words
run_step "build by Clang" check_clang_build
run_step "layering" check_layering
run_step "exported symbols" check_symbols
run_step "headers stand alone" check_headers
run_step "clang-tidy" check_tidy
run_step "documentation" scripts/docs.sh
print_tally
