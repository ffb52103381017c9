#!/usr/bin/env bash
# ctest: once timeout=120
# What is installed can be used: a program is built against it by pkg-config, shared and static, and
# by find_package, for each of the three targets; all of them run, and so does the command.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cc=${WEIR_CC:-gcc}

# An installation that is moved afterwards, as packagers do it with DESTDIR.
DESTDIR=$scratch/stage cmake --install "$WEIR_BUILD_DIR" --prefix /opt/weir >"$scratch/install.log"
mv "$scratch/stage/opt/weir" "$scratch/prefix"
prefix=$scratch/prefix
pc=$(find "$prefix" -name weir.pc)
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=${pc%/*}

cat >"$scratch/main.c" <<'PROGRAM'
#include <stdio.h>
#include <string.h>
#include <weir/version.h>

int main(void)
{
    puts(weir_features());
    return strcmp(weir_version(), EXPECTED_VERSION);
}
PROGRAM
cat >"$scratch/wire.c" <<'PROGRAM'
#include <weir/frame.h>

int main(void)
{
    return weir_frame_type_is_control(WEIR_FRAME_PING) ? 0 : 1;
}
PROGRAM
cat >"$scratch/CMakeLists.txt" <<'PROGRAM'
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(weir 0.1 REQUIRED)
add_compile_definitions(EXPECTED_VERSION="${weir_VERSION}")
add_executable(shared main.c)
target_link_libraries(shared PRIVATE weir::weir)
add_executable(static main.c)
target_link_libraries(static PRIVATE weir::weir-static)
add_executable(wire wire.c)
target_link_libraries(wire PRIVATE weir::wire)
PROGRAM

version=$(pkg-config --modversion weir)
# shellcheck disable=SC2046 # flags are words
{
    "$cc" "-DEXPECTED_VERSION=\"$version\"" $(pkg-config --cflags weir) "$scratch/main.c" \
        -o "$scratch/by_pkg_config" $(pkg-config --libs weir)
    LD_LIBRARY_PATH=$libdir "$scratch/by_pkg_config"
    "$cc" "-DEXPECTED_VERSION=\"$version\"" $(pkg-config --cflags weir) "$scratch/main.c" \
        -o "$scratch/by_pkg_config_static" \
        $(pkg-config --static --libs weir | sed "s|-lweir|$libdir/libweir.a|")
    "$scratch/by_pkg_config_static"
}

cmake -S "$scratch" -B "$scratch/build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_BUILD_TYPE=Release >"$scratch/configure.log"
cmake --build "$scratch/build" >"$scratch/build.log"
"$scratch/build/shared"
"$scratch/build/static"
"$scratch/build/wire"

"$prefix/bin/weir" --version
if readelf -S -W "$libdir/libweir.a" 2>/dev/null | grep -q gnu.lto_; then
    echo "the static library is tied to one compiler by LTO sections" >&2
    exit 1
fi
