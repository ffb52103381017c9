#!/usr/bin/env bash
# ctest: once
# Every header compiles alone, whatever was included before it: public ones as strict C11 and as C++
# where a C++ compiler is, private ones as the library is compiled.
set -euo pipefail
cd "$WEIR_SOURCE_DIR"

cc=${WEIR_CC:-gcc}
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only)
status=0

compile_alone()
{
    local header=$1
    shift
    echo "#include <$header>" | "$@" -Iinclude - || { echo "$header does not stand alone: $*" >&2; status=1; }
}

has_cxx()
{
    echo 'int main() {}' | "$1" -x c++ -fsyntax-only - 2>/dev/null
}

cxx=
for candidate in g++ clang++; do
    if has_cxx "$candidate"; then
        cxx=$candidate
        break
    fi
done

for path in include/weir/*.h; do
    header=${path#include/}
    compile_alone "$header" "$cc" -x c -std=c11 "${warnings[@]}"
    if [ -n "$cxx" ]; then
        compile_alone "$header" "$cxx" -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only
    fi
done
while read -r path; do
    compile_alone "${path#src/}" "$cc" -x c -std=c11 "${warnings[@]}" -D_GNU_SOURCE -DWEIR_BUILDING -Isrc
done < <(find src -name '*.h' | LC_ALL=C sort)
exit $status
