# Installs the build aside, then builds and runs every program of examples/ against it as its users would: through
# find_package(unrect COMPONENTS …), with one include, far from the sources. A program that links a part of the library
# needs none of what the other parts stand on.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# try(EXAMPLE EXPECTED FORBIDDEN [arguments]): the example prints what it should and is not linked with what it need not.
function(try example expected forbidden)
  file(COPY ${EXAMPLES}/${example} DESTINATION ${WORK})
  set(folder ${WORK}/${example})
  run(${CMAKE_COMMAND} -G Ninja -S ${folder} -B ${folder}/build -DCMAKE_PREFIX_PATH=${WORK}/prefix "-DCMAKE_CXX_FLAGS=${FLAGS}")
  run(${CMAKE_COMMAND} --build ${folder}/build)
  run(${CMAKE_COMMAND} -E chdir ${folder} build/${example} ${ARGN})
  if(NOT output MATCHES "${expected}")
    message(FATAL_ERROR "${example} printed:\n${output}\nexpected ${expected}")
  endif()
  run(ldd ${folder}/build/${example})
  if(output MATCHES "${forbidden}")
    message(FATAL_ERROR "${example} is linked with ${CMAKE_MATCH_0}:\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
file(GLOB_RECURSE internal ${WORK}/prefix/include/unrect/*/internal/*)
if(internal)
  message(FATAL_ERROR "installed, though not for users: ${internal}")
endif()

set(oneapi "dnnl|gomp")
set(images "libpng|libjpeg|[Cc]lp|CoinUtils")
set(drawing "cairo")
try(open "nearest boundary .* away.*exact = " "${oneapi}|${images}|${drawing}|protobuf")
try(train "loss .*, then .*0.5" "${images}|${drawing}|protobuf")
try(regions "x in .* to .*: y in" "${oneapi}|${images}|${drawing}|protobuf" ${WORK}/train/abs.onnx)
try(recover "1024 numbers instead of 4096: [2-9][0-9]" "${drawing}|protobuf")
try(picture "[0-9]+ regions" "${oneapi}|libjpeg|[Cc]lp|protobuf") # cairo brings libpng along
