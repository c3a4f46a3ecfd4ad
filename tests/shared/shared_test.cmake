# The example prints what it should, with the library from outside.
execute_process(COMMAND ${PROGRAM} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT status EQUAL 0 OR NOT output MATCHES "nearest boundary .* away.*exact = ")
  message(FATAL_ERROR "${PROGRAM}: status ${status}, printed\n${output}\nexpected the nearest boundary and bounds")
endif()
execute_process(COMMAND ldd ${PROGRAM} OUTPUT_VARIABLE linked)
if(NOT linked MATCHES "${LIBRARY} => /")
  message(FATAL_ERROR "${PROGRAM} is not linked with ${LIBRARY}:\n${linked}")
endif()
