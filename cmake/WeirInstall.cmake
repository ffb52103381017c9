# Installation: headers, libraries, the command, pkg-config file, CMake package. All of it can be
# moved: paths are relative to where the files lie.

include(CMakePackageConfigHelpers)
set(weir_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/weir")

install(DIRECTORY include/weir DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(TARGETS ${weir_libraries} EXPORT weir)
if(TARGET weir)
  install(TARGETS weir)
endif()
install(EXPORT weir NAMESPACE weir:: FILE weirTargets.cmake DESTINATION "${weir_package_dir}")

configure_package_config_file(cmake/weirConfig.cmake.in weirConfig.cmake
  INSTALL_DESTINATION "${weir_package_dir}")
write_basic_package_version_file(weirConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/weirConfig.cmake" "${PROJECT_BINARY_DIR}/weirConfigVersion.cmake"
  DESTINATION "${weir_package_dir}")

set(weir_libs_private "-pthread")
if(WEIR_WITH_URING)
  string(PREPEND weir_libs_private "-luring ")
endif()
if(WEIR_WITH_DEFLATE)
  string(PREPEND weir_libs_private "-lz ")
endif()
if(WEIR_WITH_LIBDEFLATE)
  string(PREPEND weir_libs_private "-ldeflate ")
endif()
file(RELATIVE_PATH weir_pc_prefix
  "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" weir_pc_prefix "${weir_pc_prefix}")
configure_file(cmake/weir.pc.in weir.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/weir.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
