#!/usr/bin/env bash
# ctest: once
# scripts/check-sizes.py refuses a function over 60 lines and a file over 600, and knows a dispatcher.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A function with so many lines inside, under a comment.
write_function()
{
    printf '/* %s */\nstatic void work(int x)\n{\n' "$2"
    for _ in $(seq "$1"); do
        printf '    x++;\n'
    done
    printf '}\n'
}

sizes()
{
    python3 "$WEIR_SOURCE_DIR/scripts/check-sizes.py" "$scratch/file.c"
}

expect()
{
    local wanted=$1 status=0
    sizes || status=$?
    if [ "$status" -ne "$wanted" ]; then
        echo "$2: the status is $status, not $wanted" >&2
        exit 1
    fi
}

write_function 60 "Works." >"$scratch/file.c"
expect 0 "a function of 60 lines"
write_function 61 "Works." >"$scratch/file.c"
expect 1 "a function of 61 lines"
write_function 61 "Pure dispatch." >"$scratch/file.c"
expect 0 "a dispatcher of 61 lines"
seq -f '/* %g */' 600 >"$scratch/file.c"
expect 0 "a file of 600 lines"
seq -f '/* %g */' 601 >"$scratch/file.c"
expect 1 "a file of 601 lines"
