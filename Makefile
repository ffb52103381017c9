# The front door. Everything real is in CMake (presets in CMakePresets.json) and in scripts/.

PREFIX  ?= /usr/local
SECONDS ?= 60
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
CMAKE   ?= cmake

MAKEFLAGS += --no-print-directory

.PHONY: all demo test check bench bench-full fuzz soak coverage docs install clean
.NOTPARALLEL:

all:
	$(CMAKE) --preset release
	$(CMAKE) --build build/release --parallel $(JOBS) --target product

# Server and client in one process over real sockets, step by step.
demo:
	scripts/install-deps.sh build
	$(MAKE) all
	build/release/weir demo

# Everything in an optimized build and under ASan+UBSan, what has threads under TSan.
test:
	scripts/test.sh

# Formatting, static analysis, layering, exported symbols, sizes, documentation, a build by Clang.
check:
	scripts/check.sh

# Beside raw TCP and other implementations: the short form takes three minutes, bench-full half an hour and more.
bench:
	scripts/bench.sh short

bench-full:
	scripts/bench.sh full

# Every fuzz target for SECONDS seconds: make fuzz SECONDS=60
fuzz:
	scripts/install-deps.sh build check
	scripts/fuzz.sh $(SECONDS)

# Sessions come and go for SECONDS seconds, on each loop: make soak SECONDS=600
soak:
	scripts/install-deps.sh build
	$(CMAKE) --preset release
	$(CMAKE) --build build/release --parallel $(JOBS) --target soak
	WEIR_LOOP=epoll build/release/tests/soak $(SECONDS)
	WEIR_LOOP=io_uring build/release/tests/soak $(SECONDS)

# Line coverage of the whole suite; fails below the bar of a storey.
coverage:
	scripts/install-deps.sh build test
	scripts/coverage.sh

docs:
	scripts/install-deps.sh check
	scripts/docs.sh

# Honours DESTDIR.
install: all
	$(CMAKE) --install build/release --prefix $(PREFIX)

clean:
	rm -rf build
