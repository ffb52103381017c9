# Tests. tests/<storey>/test_<room>.c is one cmocka program; an executable tests/<storey>/*.sh,
# *.py or *.mjs is a test too. A comment in a file's first lines tunes it:
#
#   ctest: timeout=300   seconds instead of 60 (three times as many under a sanitizer)
#   ctest: loops         once for each loop back-end, by WEIR_LOOP
#   ctest: threads       threads meet here: runs under ThreadSanitizer too
#   ctest: serial        needs a quiet machine: never beside another test
#   ctest: once          says nothing new under a sanitizer: left out there
#
# A test of ws with the mark loops runs once more for each back-end, as NAME.LOOP.cutting, over
# tests/support/cutting_transport.h (see weir_tests_below).
#
# Several may stand in one comment. Exit status 77 means skipped.

if(NOT WEIR_TESTS)
  return()
endif()
enable_testing()
if(PkgConfig_FOUND)
  pkg_check_modules(CMOCKA QUIET IMPORTED_TARGET cmocka)
endif()
if(NOT CMOCKA_FOUND)
  message(STATUS "  cmocka was not found: the C tests are left out")
endif()

# The back-ends that this build has.
set(weir_test_loops epoll)
if(WEIR_WITH_URING)
  list(APPEND weir_test_loops io_uring)
endif()

set(weir_test_environment
  "WEIR_BIN=${PROJECT_BINARY_DIR}/weir"
  "WEIR_BUILD_DIR=${PROJECT_BINARY_DIR}"
  "WEIR_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
  "WEIR_SANITIZE=${WEIR_SANITIZE}"
  "WEIR_CC=${CMAKE_C_COMPILER}"
  "NODE_PATH=${PROJECT_SOURCE_DIR}/build/npm/node_modules:/usr/share/nodejs"
  "UBSAN_OPTIONS=print_stacktrace=1")

# Reads the marks of a test file into ${marks}; an edited mark configures anew.
function(weir_read_marks source marks)
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  file(STRINGS "${source}" lines LIMIT_COUNT 8)
  list(FILTER lines INCLUDE REGEX "ctest:")
  list(JOIN lines " " text)
  string(REGEX REPLACE ".*ctest:" "" text "${text}")
  string(REGEX MATCHALL "[a-z]+(=[0-9]+)?" found "${text}")
  set(${marks} "${found}" PARENT_SCOPE)
endfunction()

function(weir_add_test name storey marks environment)
  add_test(NAME ${name} COMMAND ${ARGN})
  set(timeout 60)
  set(labels ${storey})
  if("threads" IN_LIST marks)
    list(APPEND labels threads)
  endif()
  if("serial" IN_LIST marks)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
  if("${marks}" MATCHES "timeout=([0-9]+)")
    set(timeout ${CMAKE_MATCH_1})
  endif()
  if(WEIR_SANITIZE OR WEIR_COVERAGE)
    math(EXPR timeout "${timeout} * 3")
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} LABELS "${labels}" SKIP_RETURN_CODE 77
    ENVIRONMENT "${weir_test_environment};${environment}")
endfunction()

# Tests of sessions that say nothing over the cutting transport. Why:
set(weir_tests_below
  ws.faults # the n-th system call, and the n-th byte, of a conversation of two loops
  ws.steady # the allocations of a message, which the transport adds to
)

# Registers a test once, or once for each back-end. Sessions' tests run over the cutting transport
# too.
function(weir_register_test source name storey)
  weir_read_marks("${source}" marks)
  if("once" IN_LIST marks AND (WEIR_SANITIZE OR WEIR_COVERAGE))
    return()
  endif()
  if("loops" IN_LIST marks)
    foreach(loop ${weir_test_loops})
      weir_add_test(${name}.${loop} ${storey} "${marks}" "WEIR_LOOP=${loop}" ${ARGN})
      if(storey STREQUAL "ws" AND NOT name IN_LIST weir_tests_below)
        weir_add_test(${name}.${loop}.cutting ${storey} "${marks}"
          "WEIR_LOOP=${loop};WEIR_TEST_TRANSPORT=cutting" ${ARGN})
      endif()
    endforeach()
  else()
    weir_add_test(${name} ${storey} "${marks}" "" ${ARGN})
  endif()
endfunction()

function(weir_test_name source name storey)
  get_filename_component(stem "${source}" NAME)
  get_filename_component(folder "${source}" DIRECTORY)
  get_filename_component(folder "${folder}" NAME)
  string(REGEX REPLACE "^test_|\\.c$" "" stem "${stem}")
  set(${name} "${folder}.${stem}" PARENT_SCOPE)
  set(${storey} "${folder}" PARENT_SCOPE)
endfunction()

if(CMOCKA_FOUND)
  file(GLOB support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/*.c")
  add_library(weir_test_support INTERFACE)
  target_compile_options(weir_test_support INTERFACE -UNDEBUG)
  target_compile_definitions(weir_test_support INTERFACE WEIR_USE_INTERNAL_API
    $<$<BOOL:${WEIR_WITH_URING}>:WEIR_HAVE_URING>
    $<$<BOOL:${WEIR_WITH_DEFLATE}>:WEIR_HAVE_DEFLATE>
    $<$<BOOL:${WEIR_WITH_LIBDEFLATE}>:WEIR_HAVE_LIBDEFLATE>)
  target_include_directories(weir_test_support INTERFACE "${PROJECT_SOURCE_DIR}/src"
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(weir_test_support INTERFACE PkgConfig::CMOCKA Threads::Threads)
  if(support)
    add_library(weir_test_helpers STATIC ${support})
    weir_finish_program(weir_test_helpers .)
    target_link_libraries(weir_test_helpers PRIVATE weir_test_support)
    set(weir_helpers weir_test_helpers)
  endif()

  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*/test_*.c")
  foreach(source IN LISTS sources)
    weir_test_name("${source}" name storey)
    string(REPLACE "." "_" target "test_${name}")
    add_executable(${target} "${source}")
    weir_finish_program(${target} tests)
    # wire's own tests prove that it stands alone.
    if(storey MATCHES "^(base|wire)$")
      set(library weir::wire)
    else()
      set(library weir::weir-static)
    endif()
    target_link_libraries(${target} PRIVATE weir_test_support ${weir_helpers} ${library} m)
    weir_register_test("${source}" ${name} ${storey} ${target})
  endforeach()
endif()

# Work whose instructions tests/perf/test_instructions.py counts: in builds that users get.
if(NOT WEIR_SANITIZE AND NOT WEIR_COVERAGE)
  add_executable(perf_workloads "${PROJECT_SOURCE_DIR}/tests/perf/workloads.c")
  weir_finish_program(perf_workloads tests)
  target_compile_definitions(perf_workloads PRIVATE WEIR_USE_INTERNAL_API _GNU_SOURCE)
  target_include_directories(perf_workloads PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(perf_workloads PRIVATE weir::weir-static Threads::Threads)
endif()

# The soak is built with the tests, so that it stays right, and run by hand: make soak.
add_executable(soak "${PROJECT_SOURCE_DIR}/tests/soak/soak.c")
weir_finish_program(soak tests)
target_compile_definitions(soak PRIVATE WEIR_USE_INTERNAL_API)
target_include_directories(soak PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(soak PRIVATE weir::weir-static Threads::Threads)

# Every fuzz target over its seeds and some thousand changes of them, without a fuzzer: with any compiler.
set(weir_fuzz_runs 6000)
file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/fuzz_*.c")
file(GLOB support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/support/*.c")
foreach(source IN LISTS sources)
  get_filename_component(stem "${source}" NAME_WE)
  string(REPLACE "fuzz_" "replay_" target "${stem}")
  string(REPLACE "fuzz_" "fuzz." name "${stem}")
  add_executable(${target} "${source}" "${PROJECT_SOURCE_DIR}/fuzz/replay/replay.c" ${support})
  weir_finish_program(${target} tests)
  target_compile_definitions(${target} PRIVATE WEIR_USE_INTERNAL_API
    $<$<BOOL:${WEIR_WITH_DEFLATE}>:WEIR_HAVE_DEFLATE>)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/fuzz")
  target_link_libraries(${target} PRIVATE weir::weir-static Threads::Threads)
  weir_add_test(${name} fuzz "" "" ${target} "${PROJECT_SOURCE_DIR}/fuzz/seeds/${stem}" ${weir_fuzz_runs})
endforeach()

# Scripts run as they are: what is not executable (a helper, a module) is no test.
file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*/*.sh"
  "${PROJECT_SOURCE_DIR}/tests/*/*.py" "${PROJECT_SOURCE_DIR}/tests/*/*.mjs")
foreach(source IN LISTS sources)
  execute_process(COMMAND test -x "${source}" RESULT_VARIABLE not_executable)
  if(NOT not_executable)
    weir_test_name("${source}" name storey)
    weir_register_test("${source}" ${name} ${storey} "${source}")
  endif()
endforeach()
