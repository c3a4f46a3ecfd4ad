# One interface target carries the flags of everything built here; users of the library inherit none of them
# but the Eigen settings that fix the layout of the public types.
add_library(unrect_flags INTERFACE)
target_compile_options(unrect_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                              -ffp-contract=off
                                              -fno-semantic-interposition) # in a shared library, too, calls are inlined
if(UNRECT_WERROR)
  target_compile_options(unrect_flags INTERFACE -Werror)
endif()
if(UNRECT_NATIVE)
  target_compile_options(unrect_flags INTERFACE -march=native -mprefer-vector-width=512
                         -Wno-uninitialized -Wno-maybe-uninitialized -Wno-array-bounds)  # GCC 12 misreads its own AVX-512 intrinsics
endif()
if(NOT UNRECT_ASSERTIONS)
  target_compile_definitions(unrect_flags INTERFACE EIGEN_NO_DEBUG)
else()
  # Eigen 3.4's stableNorm asserts of a block on the stack the alignment of EIGEN_MAX_ALIGN_BYTES, meant for the heap.
  target_compile_definitions(unrect_flags INTERFACE EIGEN_MAX_STATIC_ALIGN_BYTES=64)
  if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_options(unrect_flags INTERFACE -UNDEBUG)
  endif()
endif()
if(UNRECT_SANITIZE)
  target_compile_options(unrect_flags INTERFACE -fsanitize=${UNRECT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(unrect_flags INTERFACE -fsanitize=${UNRECT_SANITIZE})
  set(UNRECT_CONSUMER_FLAGS -fsanitize=${UNRECT_SANITIZE}) # whoever links the library needs the sanitizers' runtime
endif()
if(UNRECT_FUZZ)
  target_compile_options(unrect_flags INTERFACE -fsanitize=fuzzer-no-link) # coverage counters in the code under test
endif()
