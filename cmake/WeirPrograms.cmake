# The command, the examples, the benchmarks and the fuzz targets.

add_custom_target(product) # what plain `make` builds
add_dependencies(product ${weir_libraries})

# A program of ours: strict flags, C11 with the system's extensions visible.
function(weir_finish_program name directory)
  set_target_properties(${name} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${directory}")
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_link_libraries(${name} PRIVATE weir_flags)
endfunction()

# Links the libraries behind third-party headers that a program includes; ${available} becomes OFF
# when one of them is not installed.
function(weir_link_foreign name source available)
  set(${available} ON PARENT_SCOPE)
  file(STRINGS "${source}" uv REGEX "^#include <uv\\.h>")
  if(NOT uv)
    return()
  endif()
  pkg_check_modules(UV QUIET IMPORTED_TARGET libuv)
  if(UV_FOUND)
    target_link_libraries(${name} PRIVATE PkgConfig::UV)
  else()
    message(STATUS "  ${name}: not built, libuv was not found")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    set(${available} OFF PARENT_SCOPE)
  endif()
endfunction()

# The command is made of the library's objects, so that it runs from anywhere; its own sources see
# the public headers alone.
file(GLOB weir_cli_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cli/*.c")
if(weir_cli_sources)
  add_executable(weir ${weir_cli_sources} ${weir_all_objects})
  weir_finish_program(weir ".")
  weir_link_with_lto(weir)
  weir_link_dependencies(weir)
  target_include_directories(weir PRIVATE "${PROJECT_SOURCE_DIR}/include")
  if(WEIR_LTO_ACTIVE)
    target_compile_options(weir PRIVATE -flto=auto)
  endif()
  add_dependencies(product weir)
endif()

# Examples are compiled as a user would: default language, the shared library, public headers.
if(WEIR_EXAMPLES)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
  foreach(source IN LISTS sources)
    get_filename_component(stem "${source}" NAME_WE)
    add_executable(example_${stem} "${source}")
    set_target_properties(example_${stem} PROPERTIES OUTPUT_NAME ${stem}
      RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples")
    target_link_libraries(example_${stem} PRIVATE weir_flags weir::weir Threads::Threads)
    weir_link_foreign(example_${stem} "${source}" available)
    if(available)
      add_dependencies(product example_${stem})
    endif()
  endforeach()
endif()

# Benchmarks may look inside, so they take the static library.
if(WEIR_BENCH)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/bench_*.c")
  file(GLOB support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/support/*.c")
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(${name} "${source}" ${support})
    weir_finish_program(${name} bench)
    target_compile_definitions(${name} PRIVATE WEIR_USE_INTERNAL_API
      $<$<BOOL:${WEIR_WITH_DEFLATE}>:WEIR_HAVE_DEFLATE>
      $<$<BOOL:${WEIR_WITH_LIBDEFLATE}>:WEIR_HAVE_LIBDEFLATE>)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/bench")
    target_link_libraries(${name} PRIVATE weir::weir-static Threads::Threads m)
    weir_link_foreign(${name} "${source}" available)
  endforeach()
endif()

# What a benchmark is held against: echoes that know no WebSocket.
if(WEIR_BENCH)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/raw/*.c")
  if(NOT WEIR_WITH_URING)
    list(FILTER sources EXCLUDE REGEX "raw_uring\\.c$")
  endif()
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(${name} "${source}")
    weir_finish_program(${name} bench)
    if(name STREQUAL "raw_uring")
      target_link_libraries(${name} PRIVATE PkgConfig::URING)
    endif()
  endforeach()
endif()

if(WEIR_FUZZ)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/fuzz_*.c")
  file(GLOB support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/support/*.c")
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(${name} "${source}" ${support})
    weir_finish_program(${name} fuzz)
    target_compile_definitions(${name} PRIVATE WEIR_USE_INTERNAL_API
      $<$<BOOL:${WEIR_WITH_DEFLATE}>:WEIR_HAVE_DEFLATE>)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/fuzz")
    target_link_libraries(${name} PRIVATE weir::weir-static Threads::Threads)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
