#!/usr/bin/env bash
# Installs what is missing, and nothing when nothing is: install-deps.sh build|test|check|bench ...
# On Debian and Ubuntu through apt-get; elsewhere it says what is lacking and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null 2>&1; }
has_module() { has pkg-config && pkg-config --exists "$1"; }
has_python_module() { [ -x /usr/bin/python3 ] && /usr/bin/python3 -c "import $1" 2>/dev/null; }
links() { echo 'int main(void) { return 0; }' | "$@" -x c - -o /dev/null 2>/dev/null; }

has_new_cmake()
{
    has cmake && [ "$(printf '3.25\n%s\n' "$(cmake --version | sed -n '1s/[^0-9]*//p')" |
        sort -V | head -n 1)" = 3.25 ]
}

clang_major()
{
    clang -dumpversion 2>/dev/null | cut -d. -f1
}

# One line for each thing that is lacking: how vital it is, what it is, its packages on Debian (the
# first that exists is taken).
lacking()
{
    local level
    for level in "$@"; do
        case $level in
        build)
            has gcc || echo "need a C compiler:gcc"
            links gcc || echo "need the C library's headers:libc6-dev"
            has make || echo "need make:make"
            has_new_cmake || echo "need cmake 3.25 or newer:cmake"
            has pkg-config || echo "need pkg-config:pkg-config"
            has_module 'zlib >= 1.2.9' || echo "want zlib:zlib1g-dev"
            has_module 'libdeflate >= 1.7' || echo "want libdeflate:libdeflate-dev"
            has_module 'liburing >= 2.3' || echo "want liburing 2.3 or newer:liburing-dev"
            ;;
        test)
            has_module cmocka || echo "need cmocka:libcmocka-dev"
            has_module libuv || echo "want libuv:libuv1-dev"
            has /usr/bin/python3 || echo "need python3:python3"
            has_python_module websockets || echo "want python3-websockets:python3-websockets"
            has_python_module wsproto || echo "want python3-wsproto:python3-wsproto"
            has node || echo "want node:nodejs"
            has npm || echo "want npm:npm"
            [ -e /etc/ssl/certs/ca-certificates.crt ] || echo "want the usual roots of trust:ca-certificates"
            has valgrind || echo "want valgrind:valgrind"
            [ -e /usr/include/valgrind/valgrind.h ] || echo "want valgrind's headers:valgrind"
            has gdb || echo "want gdb:gdb"
            has aarch64-linux-gnu-gcc || echo "want a compiler for AArch64:gcc-aarch64-linux-gnu"
            [ -e /usr/aarch64-linux-gnu/include/stdio.h ] ||
                echo "want a C library for AArch64:libc6-dev-arm64-cross"
            has qemu-aarch64 || echo "want qemu-user:qemu-user"
            ;;
        check)
            has /usr/bin/python3 || echo "need python3:python3"
            has clang || echo "need clang:clang"
            has clang-format-14 || has clang-format || echo "need clang-format:clang-format-14 clang-format"
            has clang-tidy-14 || has clang-tidy || echo "need clang-tidy:clang-tidy-14 clang-tidy"
            has doxygen || echo "need doxygen:doxygen"
            has shellcheck || echo "want shellcheck:shellcheck"
            links clang -fsanitize=address ||
                echo "want clang's sanitizers:libclang-rt-$(clang_major)-dev libclang-rt-dev"
            ;;
        bench)
            has /usr/bin/python3 || echo "need python3:python3"
            has perf || echo "want perf:linux-perf linux-tools-generic"
            has strace || echo "want strace:strace"
            has_module libwebsockets || echo "want libwebsockets:libwebsockets-dev"
            has g++ || echo "want a C++ compiler:g++"
            [ -e /usr/include/boost/beast.hpp ] || echo "want Boost Beast:libboost-dev"
            has go || echo "want go:golang-go"
            [ -e /usr/share/gocode/src/github.com/gorilla/websocket ] ||
                echo "want gorilla/websocket:golang-github-gorilla-websocket-dev"
            has node || echo "want node:nodejs"
            has npm || echo "want npm:npm"
            [ -e /etc/ssl/certs/ca-certificates.crt ] || echo "want the usual roots of trust:ca-certificates"
            has_python_module websockets || echo "want python3-websockets:python3-websockets"
            ;;
        *)
            echo "install-deps.sh: no such level: $level (build, test, check, bench)" >&2
            exit 2
            ;;
        esac
    done
}

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo -n "$@"
    else
        return 1
    fi
}

# Several names for one package: the first that the archive knows.
choose_packages()
{
    local names name
    while IFS=: read -r _ names; do
        for name in $names; do
            if apt-cache show "$name" >/dev/null 2>&1; then
                echo "$name"
                break
            fi
        done
    done | sort -u
}

install_by_apt()
{
    local packages
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
    mapfile -t packages < <(lacking "$@" | choose_packages)
    [ "${#packages[@]}" -gt 0 ] || return 0
    echo "installing: ${packages[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
        "${packages[@]}"
}

# npm ws, for the peer tests: into build/, at the version that tests/peers/package.json pins. Where the
# registry is out of reach, the one that the distribution packages will do.
install_ws()
{
    local version installed=build/npm/node_modules/ws/package.json roots=/etc/ssl/certs/ca-certificates.crt
    has npm || return 0
    version=$(sed -n 's/.*"ws": *"\([0-9.]*\)".*/\1/p' tests/peers/package.json)
    if [ -e "$installed" ] && grep -q "\"version\": \"$version\"" "$installed"; then
        return 0
    fi
    # Node trusts a list of its own; what the system trusts has to hold too.
    if [ -e "$roots" ]; then
        export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$roots}
    fi
    mkdir -p build/npm
    npm install --no-package-lock --no-audit --no-fund --silent --prefix build/npm "ws@$version" </dev/null && return 0
    echo "npm could not install ws@$version" >&2
    [ -e /usr/share/nodejs/ws/package.json ] && return 0
    if has apt-get && as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install \
        --no-install-recommends node-ws; then
        return 0
    fi
    echo "there is no ws for node: its tests will be skipped" >&2
}

wants() { local level; for level in "${levels[@]}"; do [ "$level" = "$1" ] && return 0; done; return 1; }

levels=("$@")
[ "${#levels[@]}" -gt 0 ] || levels=(build test check)
missing=$(lacking "${levels[@]}")
if [ -n "$missing" ] && has apt-get; then
    install_by_apt "${levels[@]}" || echo "apt-get could not install everything" >&2
    # What clang's own package brings is known only now: its sanitizers carry its version.
    missing=$(lacking "${levels[@]}")
    if [ -n "$missing" ]; then
        install_by_apt "${levels[@]}" || true
        missing=$(lacking "${levels[@]}")
    fi
fi
if wants test || wants bench; then
    install_ws
fi
if [ -n "$missing" ]; then
    echo "lacking (need: nothing works without it; want: something is left out or skipped):" >&2
    printf '%s\n' "$missing" | sed 's/^\(....\) \([^:]*\):\(.*\)/  \1 \2 (Debian: \3)/' >&2
    ! printf '%s\n' "$missing" | grep -q '^need' || exit 1
fi
