# The C++ tests and fuzz targets of the coder. LACONIC_CHECKED_BY says what they are built for:
#   sanitizers  the test program, and the fuzz targets with a mutator of their own, under ASan and UBSan (gcc or clang)
#   fuzzer      the fuzz targets with libFuzzer, under ASan and UBSan (clang)
#   coverage    the fuzz targets with a mutator of their own, counting lines for gcov (gcc)
set(LACONIC_CHECKED_BY sanitizers CACHE STRING "sanitizers, fuzzer or coverage")
set(checks ${LACONIC_WARNINGS})
set(links)
if(LACONIC_CHECKED_BY STREQUAL "coverage")
  # Above -O0 gcc moves lines into each other.
  list(APPEND checks -O0 -g1 --coverage -fprofile-update=atomic)
  list(APPEND links --coverage)
else()
  set(sanitizers -fsanitize=address,undefined)
  list(APPEND checks -O1 -g1 ${sanitizers} -fno-sanitize-recover=all)
  list(APPEND links ${sanitizers})
  # A hundred unrolled shapes of one kernel take minutes to compile with every check. What is left out here cannot fail:
  # arrays of registers on the stack, that constants index, and references, which are never null. The sanitizers also break
  # up loops, of which gcc warns; the extension is compiled with all warnings.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(lighter -w -fno-sanitize=null --param=asan-stack=0 --param=asan-instrumentation-with-call-threshold=0)
  else()
    set(lighter -w -fno-sanitize=null -mllvm -asan-stack=0 -mllvm -asan-instrumentation-with-call-threshold=0)
  endif()
  set(unrolled ${LACONIC_ENTROPY_SOURCES})
  list(FILTER unrolled INCLUDE REGEX "avx")
  set_property(SOURCE ${unrolled} APPEND PROPERTY COMPILE_OPTIONS ${lighter})
endif()
if(LACONIC_CHECKED_BY STREQUAL "fuzzer")
  # clang 14 warns of unused functions and unrolling that gcc accepts; -Werror is gcc's business.
  list(REMOVE_ITEM checks -Werror)
  list(APPEND checks -fsanitize=fuzzer-no-link -Wno-unknown-warning-option)
endif()

add_library(core_checked OBJECT ${LACONIC_ENTROPY_SOURCES})
target_include_directories(core_checked PUBLIC entropy/native tests/entropy/native)
target_compile_options(core_checked PUBLIC ${checks})
target_link_options(core_checked PUBLIC ${links})

set(native tests/entropy/native)
if(LACONIC_CHECKED_BY STREQUAL "sanitizers")
  add_executable(test_core ${native}/main.cpp ${native}/channels.cpp ${native}/contexts.cpp ${native}/conversions.cpp ${native}/damage.cpp
                 ${native}/packets.cpp ${native}/pictures.cpp ${native}/residuals.cpp ${native}/streams.cpp ${native}/subbands.cpp)
  target_link_libraries(test_core PRIVATE core_checked)
endif()

# replay_* runs a target on a folder of inputs and on mutations of these, without libFuzzer.
foreach(target static_decode indexed_decode round_trip packets context_decode subband_decode)
  add_executable(replay_${target} tests/entropy/fuzz/${target}.cpp tests/entropy/fuzz/replay.cpp)
  target_link_libraries(replay_${target} PRIVATE core_checked)
  if(LACONIC_CHECKED_BY STREQUAL "fuzzer")
    add_executable(fuzz_${target} tests/entropy/fuzz/${target}.cpp)
    target_link_libraries(fuzz_${target} PRIVATE core_checked)
    target_link_options(fuzz_${target} PRIVATE -fsanitize=fuzzer)
  endif()
endforeach()
