# find_package(unrect [COMPONENTS core train sensing view]): libraries, public headers, config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/unrect)
get_property(components GLOBAL PROPERTY UNRECT_COMPONENTS)
foreach(component IN LISTS components)
  install(TARGETS unrect_${component} EXPORT unrect_${component} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT unrect_${component} FILE unrect_${component}.cmake NAMESPACE unrect:: DESTINATION ${folder})
endforeach()
install(DIRECTORY unrect DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" PATTERN internal EXCLUDE)
configure_package_config_file(cmake/unrectConfig.cmake.in unrectConfig.cmake INSTALL_DESTINATION ${folder})
write_basic_package_version_file(unrectConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/unrectConfig.cmake ${PROJECT_BINARY_DIR}/unrectConfigVersion.cmake DESTINATION ${folder})
