# Every library unrect stands on; docs/dependencies.md gives the reason for each.
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CLP REQUIRED IMPORTED_TARGET clp)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
pkg_check_modules(GMPXX REQUIRED IMPORTED_TARGET gmpxx)
find_package(Protobuf REQUIRED)
find_library(DNNL dnnl REQUIRED)
# oneDNN brings GCC's OpenMP along; we tell it to use the calling thread alone.
find_library(GOMP NAMES gomp libgomp.so.1 REQUIRED)
