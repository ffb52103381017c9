#!/usr/bin/env bash
# ctest: once timeout=120
# gdb and Valgrind know coroutines' stacks: both show the whole way from a coroutine's depth to its
# entry, and Valgrind finds no fault in a program that does nothing but switch.
set -uo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
program=$scratch/deep
failed=0
asked=0
export WEIR_LOOP=epoll # Valgrind does not know all of io_uring

"${WEIR_CC:-gcc}" -std=c11 -g -O1 -I "$WEIR_SOURCE_DIR/include" \
    "$WEIR_SOURCE_DIR/tests/rt/programs/deep.c" -o "$program" \
    -L "$WEIR_BUILD_DIR" -lweir -Wl,-rpath,"$WEIR_BUILD_DIR" || exit 1

complain()
{
    printf '%s:\n' "$1"
    cat "$2"
    failed=1
}

# The names that follow each other in a backtrace, whatever stands between them.
assert_way()
{
    local log=$1 way
    shift
    way=$(printf '%s.*' "$@")
    tr '\n' ' ' <"$log" | grep -Eq "$way" || complain "no way $* in" "$log"
}

ask_gdb()
{
    local log=$scratch/gdb
    gdb --batch --nx -ex 'set debuginfod enabled off' -ex 'set confirm off' -ex 'break touch_bottom' -ex run \
        -ex backtrace -ex continue --args "$program" bottom >"$log" 2>&1 </dev/null
    if grep -Eq 'ptrace: Operation not permitted|Could not trace the inferior' "$log"; then
        echo "gdb: may not trace here"
        return
    fi
    asked=$((asked + 1))
    assert_way "$log" '#0 +touch_bottom' '#1 .*dig_third' '#2 .*dig_second' '#3 .*dig_first' '#4 .*dig '
    # The last frame is the coroutine's first: no frame above it, and no frame is corrupt.
    if grep -Eq 'Backtrace stopped|corrupt|#[3-9][0-9] ' "$log"; then
        complain "a backtrace without a clean end" "$log"
    fi
    grep -q 'exited normally' "$log" || complain "the program did not go on" "$log"
}

ask_valgrind()
{
    local log=$scratch/freed
    asked=$((asked + 1))
    valgrind --error-exitcode=99 "$program" freed >"$log" 2>&1
    [ $? -eq 99 ] || complain "a read of freed memory passed" "$log"
    assert_way "$log" 'Invalid read of size 1' 'read_freed' 'dig_third' 'dig_second' 'dig_first' 'dig ' \
        'is 3 bytes inside a block of size 16 free.d'
    log=$scratch/clean
    valgrind --error-exitcode=99 --leak-check=full --show-leak-kinds=all "$program" clean >"$log" 2>&1 ||
        complain "switching stacks is no fault" "$log"
    grep -q 'ERROR SUMMARY: 0 errors' "$log" || complain "errors in a clean run" "$log"
    if grep -q 'client switching stacks' "$log"; then
        complain "Valgrind does not know the stacks" "$log"
    fi
}

for tool in gdb valgrind; do
    if command -v "$tool" >/dev/null; then
        "ask_$tool"
    else
        echo "$tool: not installed"
    fi
done
[ "$failed" -eq 0 ] || exit 1
echo "asked $asked of 2"
[ "$asked" -gt 0 ] || exit 77
