# unrect::unrect for find_package(unrect): library, public headers, config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
install(TARGETS unrect EXPORT unrectTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY unrect DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp"
        PATTERN internal EXCLUDE)
set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/unrect)
install(EXPORT unrectTargets NAMESPACE unrect:: DESTINATION ${folder})
configure_package_config_file(cmake/unrectConfig.cmake.in unrectConfig.cmake INSTALL_DESTINATION ${folder})
write_basic_package_version_file(unrectConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/unrectConfig.cmake ${PROJECT_BINARY_DIR}/unrectConfigVersion.cmake DESTINATION ${folder})
