#!/usr/bin/env bash
# ctest: once
# libweir-wire.a stands alone: it needs the memory and string functions of C and nothing else (no I/O,
# no clock, no threads), and it holds no state of its own.
set -euo pipefail

library=$WEIR_BUILD_DIR/libweir-wire.a
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cat >"$scratch/allowed" <<'NAMES'
calloc
free
malloc
memchr
memcmp
memcpy
memmove
memset
realloc
snprintf
strchr
strcmp
strlen
strncmp
vsnprintf
NAMES

nm -g --defined-only "$library" | awk 'NF == 3 { print $3 }' | LC_ALL=C sort -u >"$scratch/defined"
nm -u "$library" | awk 'NF == 2 { print $2 }' | LC_ALL=C sort -u >"$scratch/needed"
# What the compiler itself calls: its tables, stack protector, checked string functions.
LC_ALL=C comm -23 "$scratch/needed" "$scratch/defined" |
    sed 's/^__\(.*\)_chk$/\1/' | grep -vE '^(_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|stack_fail|__cpu_model|__cpu_indicator_init)$' |
    LC_ALL=C sort -u >"$scratch/foreign" || true
if LC_ALL=C comm -23 "$scratch/foreign" "$scratch/allowed" | grep .; then
    echo "wire needs these from outside" >&2
    exit 1
fi
# .data.rel.ro holds constant tables with addresses in them, which only the loader writes.
if objdump -t "$library" | awk '$NF !~ /^\./ && /[ \t]\.(t?data|t?bss)[. \t]/ && !/[ \t]\.data\.rel\.ro/' | grep .; then
    echo "wire keeps state in these" >&2
    exit 1
fi
