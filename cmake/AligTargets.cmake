# One static library per folder: a dependency that points the wrong way does not link.
#
#   alig_add_library(parse SOURCES lenient_json.cc … DEPENDS alig::base …)
#
# defines the target alig_parse with the alias alig::parse.
function(alig_set_defaults target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                           -Wno-sign-conversion)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False alarms in std::string with -O3: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105651
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(ALIG_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(ALIG_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${ALIG_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # GCC's manual: sanitizers bring false warnings.
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
    # The sanitizers call dlopen() in our place: the module is then looked for in their run path, and
    # in ours only where it is of the old kind.
    target_link_options(${target} PRIVATE -fsanitize=${ALIG_SANITIZE} -Wl,--disable-new-dtags)
  endif()
endfunction()

# alig_compile_quickly(TARGETS name… SOURCES file.cc…)
# For what runs once or waits for the user (tests, the demo, a command line): the time that more
# optimisation takes to compile is never won back. The libraries keep the build type's settings.
function(alig_compile_quickly)
  cmake_parse_arguments(ARG "" "" "TARGETS;SOURCES" ${ARGN})
  set(option $<$<CONFIG:Release>:-O1>)
  foreach(target IN LISTS ARG_TARGETS)
    target_compile_options(${target} PRIVATE ${option})
  endforeach()
  if(ARG_SOURCES)
    set_property(SOURCE ${ARG_SOURCES} APPEND PROPERTY COMPILE_OPTIONS ${option})
  endif()
endfunction()

# Compiles four files of a target at a time in Release builds: their common headers are read once. In
# such a target a name occurs once, also in unnamed namespaces.
function(alig_compile_together target)
  if(ALIG_UNITY_BUILD AND CMAKE_BUILD_TYPE STREQUAL "Release")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
  endif()
endfunction()

function(alig_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(alig_${name} STATIC ${ARG_SOURCES})
  add_library(alig::${name} ALIAS alig_${name})
  target_include_directories(alig_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(alig_${name} PUBLIC ${ARG_DEPENDS})
  alig_set_defaults(alig_${name})
  alig_compile_together(alig_${name})
endfunction()

# alig_add_test(parse SOURCES lenient_json_test.cc … DEPENDS alig::parse LABELS unit)
# One GoogleTest program per folder; ctest sees each test case by name.
function(alig_add_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE ${ARG_DEPENDS} GTest::gmock GTest::gtest_main)
  alig_set_defaults(${name}_test)
  alig_compile_quickly(TARGETS ${name}_test)
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  gtest_discover_tests(${name}_test TEST_PREFIX "${name}/" DISCOVERY_TIMEOUT 60
                       PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 120)
endfunction()
