# Shared by the scripts: sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
jobs=$(nproc 2>/dev/null || echo 2)
passed=0
failed=0
skipped=0
failures=()

say()
{
    printf '\n== %s\n' "$*"
}

# The verdict of a run: one line that stands alone, and an exit status that says the same.
print_tally()
{
    local name
    for name in ${failures[@]+"${failures[@]}"}; do
        printf 'FAILED: %s\n' "$name"
    done
    if [ "$skipped" -gt 0 ]; then
        printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    else
        printf '%d passed, %d failed\n' "$passed" "$failed"
    fi
    [ "$failed" -eq 0 ]
}

configure_and_build()
{
    local preset=$1
    shift
    cmake --preset "$preset" >"$root/build/$preset.configure.log" 2>&1 ||
        { cat "$root/build/$preset.configure.log"; return 1; }
    cmake --build "build/$preset" --parallel "$jobs" "$@"
}

# Our own C files: what is formatted, measured and searched.
list_c_files()
{
    find include src cli examples bench tests fuzz -name '*.[ch]' 2>/dev/null | LC_ALL=C sort
}

# The newest of a tool's names that is installed: the pinned one first.
find_tool()
{
    local name
    for name in "$@"; do
        if command -v "$name" >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return 0
        fi
    done
    return 1
}
