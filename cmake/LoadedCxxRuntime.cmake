# Debian keeps a separate libstdc++.so with each older g++, while its libraries (libfmt.so,
# libgtest.a) are of the newest: what they need is in the one that programs load. So that one is
# linked, where it is another.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_EXE_LINKER_FLAGS MATCHES "-static-libstdc")
  execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -print-file-name=libstdc++.so
                  OUTPUT_VARIABLE alig_linked OUTPUT_STRIP_TRAILING_WHITESPACE)
  find_library(ALIG_LOADED_LIBSTDCXX NAMES libstdc++.so.6)
  mark_as_advanced(ALIG_LOADED_LIBSTDCXX)
  file(REAL_PATH "${alig_linked}" alig_linked)
  if(ALIG_LOADED_LIBSTDCXX)
    file(REAL_PATH "${ALIG_LOADED_LIBSTDCXX}" alig_loaded)
    if(NOT alig_linked STREQUAL alig_loaded)
      string(APPEND CMAKE_CXX_STANDARD_LIBRARIES " ${alig_loaded}")
    endif()
  endif()
endif()
