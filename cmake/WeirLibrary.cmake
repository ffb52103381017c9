# The library, by storey. Each storey is compiled once, as position-independent objects; the shared
# library, the static one and the command are made of the same objects.

function(weir_add_objects name)
  add_library(${name} OBJECT ${ARGN})
  set_target_properties(${name} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
    C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src"
    "${PROJECT_SOURCE_DIR}/include")
  target_compile_definitions(${name} PRIVATE WEIR_BUILDING _GNU_SOURCE
    WEIR_CONTEXT_NAME="${WEIR_CONTEXT_NAME}"
    $<$<STREQUAL:${WEIR_CONTEXT_NAME},ucontext>:WEIR_CONTEXT_UCONTEXT>
    $<$<BOOL:${WEIR_WITH_URING}>:WEIR_HAVE_URING>
    $<$<BOOL:${WEIR_HAVE_VALGRIND}>:WEIR_HAVE_VALGRIND>
    $<$<BOOL:${WEIR_WITH_DEFLATE}>:WEIR_HAVE_DEFLATE>
    $<$<BOOL:${WEIR_WITH_LIBDEFLATE}>:WEIR_HAVE_LIBDEFLATE>)
  target_link_libraries(${name} PRIVATE weir_flags Threads::Threads)
  if(WEIR_WITH_URING)
    target_link_libraries(${name} PRIVATE PkgConfig::URING)
  endif()
  if(WEIR_WITH_DEFLATE)
    target_link_libraries(${name} PRIVATE PkgConfig::ZLIB)
  endif()
  if(WEIR_WITH_LIBDEFLATE)
    target_link_libraries(${name} PRIVATE PkgConfig::LIBDEFLATE)
  endif()
  target_compile_options(${name} PRIVATE
    $<$<AND:$<COMPILE_LANGUAGE:C>,$<C_COMPILER_ID:GNU>>:-fno-semantic-interposition>)
  # Pairs of pointers, as in lists, and of sizes: gathered in a vector register they are written later than
  # one by one, and with more instructions.
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:-fno-tree-slp-vectorize>)
  if(WEIR_LTO_ACTIVE)
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:-flto=auto -ffat-lto-objects>)
  endif()
endfunction()

set(weir_sources "")
foreach(folder codec rt net ws/flow ws/session ws/opening ws/server hub)
  file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${folder}/*.c")
  list(APPEND weir_sources ${found})
endforeach()
if(NOT WEIR_WITH_URING)
  list(FILTER weir_sources EXCLUDE REGEX "/loop_uring[^/]*\\.c$")
endif()
if(WEIR_WITH_DEFLATE)
  list(FILTER weir_sources EXCLUDE REGEX "/deflate_absent\\.c$")
else()
  list(FILTER weir_sources EXCLUDE REGEX "/deflate_(codec|shared)\\.c$")
endif()
if(NOT WEIR_WITH_LIBDEFLATE)
  list(FILTER weir_sources EXCLUDE REGEX "/deflate_(whole|end)\\.c$")
endif()
if(WEIR_CONTEXT_SOURCE AND EXISTS "${WEIR_CONTEXT_SOURCE}")
  list(APPEND weir_sources "${WEIR_CONTEXT_SOURCE}")
endif()
file(GLOB weir_wire_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/base/*.c"
  "${PROJECT_SOURCE_DIR}/src/wire/*.c")
# What runs once a connection is made small rather than fast.
set(weir_wire_rare ${weir_wire_sources})
list(FILTER weir_wire_rare INCLUDE REGEX
  "/(handshake_[a-z]+|http_[a-z]+|extension|deflate|url|authority|chars|view|text|base64|status|rule|close)\\.c$")
set_source_files_properties(${weir_wire_rare} PROPERTIES COMPILE_OPTIONS
  "$<$<CONFIG:Release,RelWithDebInfo>:-Os>")

weir_add_objects(weir_objects ${weir_sources})
set(weir_all_objects $<TARGET_OBJECTS:weir_objects>)
if(weir_wire_sources)
  weir_add_objects(weir_wire_objects ${weir_wire_sources})
  list(APPEND weir_all_objects $<TARGET_OBJECTS:weir_wire_objects>)
endif()

# What users of a library need: its headers, and for the static one the libraries behind it.
function(weir_finish_library name export_name)
  add_library(weir::${export_name} ALIAS ${name})
  set_target_properties(${name} PROPERTIES EXPORT_NAME ${export_name} LINKER_LANGUAGE C)
  target_include_directories(${name} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:weir_flags>)
endfunction()

function(weir_link_dependencies name)
  target_link_libraries(${name} PRIVATE Threads::Threads)
  if(WEIR_WITH_URING)
    target_link_libraries(${name} PRIVATE
      $<BUILD_INTERFACE:PkgConfig::URING> $<INSTALL_INTERFACE:uring>)
  endif()
  if(WEIR_WITH_DEFLATE)
    target_link_libraries(${name} PRIVATE
      $<BUILD_INTERFACE:PkgConfig::ZLIB> $<INSTALL_INTERFACE:z>)
  endif()
  if(WEIR_WITH_LIBDEFLATE)
    target_link_libraries(${name} PRIVATE
      $<BUILD_INTERFACE:PkgConfig::LIBDEFLATE> $<INSTALL_INTERFACE:deflate>)
  endif()
endfunction()

# An archive is for any compiler and any version of it, so the GCC-only sections must not be in it.
function(weir_strip_lto name)
  if(WEIR_LTO_ACTIVE)
    add_custom_command(TARGET ${name} POST_BUILD VERBATIM
      COMMAND ${CMAKE_OBJCOPY} --remove-section=.gnu.lto_* --remove-section=.gnu.debuglto_*
              $<TARGET_FILE:${name}>)
  endif()
endfunction()

# Inlined across files, a loop over sizes looks to GCC 12 as if one could be below zero; each file was
# already compiled with that warning on.
function(weir_link_with_lto name)
  if(WEIR_LTO_ACTIVE)
    target_link_options(${name} PRIVATE -flto=auto -O2 -Wno-stringop-overread)
  endif()
endfunction()

set(weir_map "${PROJECT_SOURCE_DIR}/src/weir.map")
add_library(weir_shared SHARED ${weir_all_objects})
weir_finish_library(weir_shared weir)
weir_link_dependencies(weir_shared)
weir_link_with_lto(weir_shared)
set_target_properties(weir_shared PROPERTIES OUTPUT_NAME weir
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS "${weir_map}")
target_link_options(weir_shared PRIVATE "-Wl,--version-script=${weir_map}" -Wl,-Bsymbolic-functions
  -Wl,-z,relro -Wl,-z,now)
if(NOT WEIR_SANITIZE)
  target_link_options(weir_shared PRIVATE -Wl,-z,defs)
endif()

add_library(weir_static STATIC ${weir_all_objects})
weir_finish_library(weir_static weir-static)
weir_link_dependencies(weir_static)
weir_strip_lto(weir_static)
set_target_properties(weir_static PROPERTIES OUTPUT_NAME weir)

set(weir_libraries weir_shared weir_static)
if(weir_wire_sources)
  add_library(weir_wire STATIC $<TARGET_OBJECTS:weir_wire_objects>)
  weir_finish_library(weir_wire wire)
  weir_strip_lto(weir_wire)
  set_target_properties(weir_wire PROPERTIES OUTPUT_NAME weir-wire)
  list(APPEND weir_libraries weir_wire)
endif()
