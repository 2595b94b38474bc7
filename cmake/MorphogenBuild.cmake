# How a module, a program and a test of this project are compiled. Read top to bottom.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# Compile time counts: line tables are all that stack traces need, and instrumented code is slow to optimise. Glue is
# what computes little (tests, the command line): its time is spent in the modules, so it is compiled cheaply.
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(MG_GLUE_FLAGS $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<CONFIG:Debug>>>:-O1>)
if(MG_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -DNDEBUG")
  set(MG_GLUE_FLAGS $<$<COMPILE_LANGUAGE:CXX>:-O0>)
else()
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
endif()

find_program(MG_CCACHE ccache)
if(MG_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MG_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${MG_CCACHE})
endif()

if(MG_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${MG_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)  # GCC sees ghosts in instrumented code
  add_link_options(-fsanitize=${MG_SANITIZE})
  if(MG_SANITIZE MATCHES "undefined")
    add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=undefined>)
  endif()
endif()
if(MG_COVERAGE)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:--coverage>)
  add_link_options(--coverage)
endif()

# ---- the CUDA backend: real, emulated, or none --------------------------------------------------------------------
set(MG_WITH_CUDA 0)
if(MG_EMULATION)
  set(MG_WITH_CUDA 1)
elseif(NOT MG_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(MG_WITH_CUDA 1)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 90)
    endif()
    enable_language(CUDA)
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    if(CMAKE_VERSION VERSION_LESS 3.25.2 AND NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      # CMake 3.25.1 knows no C++20 flag for nvcc; tell it.
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
      list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
    endif()
    find_package(CUDAToolkit REQUIRED)
    # Registers and spills of every kernel, for scripts/kernel-report.
    string(APPEND CMAKE_CUDA_FLAGS " -Xptxas -v")
    list(PREPEND CMAKE_CUDA_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/cmake/keep-ptxas-log)
  elseif(MG_CUDA STREQUAL "ON")
    message(FATAL_ERROR "MG_CUDA=ON but no CUDA compiler was found; put nvcc on PATH or configure with -DMG_CUDA=OFF")
  endif()
endif()
message(STATUS "CUDA backend: ${MG_WITH_CUDA} (MG_CUDA=${MG_CUDA}, MG_EMULATION=${MG_EMULATION})")

function(mg_compile_as_cpp)
  set_source_files_properties(${ARGN} TARGET_DIRECTORY ${MG_TARGET} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-xc++")
endfunction()

# Warnings, includes and backend switches that every target of the project shares.
function(mg_common target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
  target_compile_definitions(${target} PUBLIC MG_WITH_CUDA=${MG_WITH_CUDA})
  if(MG_EMULATION)
    target_link_libraries(${target} PUBLIC mg_emulation)
  elseif(MG_WITH_CUDA)
    target_link_libraries(${target} PUBLIC CUDA::cudart_static)
  endif()
  if(OpenMP_CXX_FOUND AND NOT MG_SANITIZE MATCHES "thread")  # libgomp is not annotated for TSan
    # Not the imported target: it would hand -fopenmp to nvcc.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${OpenMP_CXX_FLAGS}>)
    target_link_libraries(${target} PUBLIC ${OpenMP_CXX_LIBRARIES})
  else()
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-unknown-pragmas>)
  endif()
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow>
    # GCC 12 sees overlapping copies in string concatenation that are none (GCC bug 105651).
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
    $<$<AND:$<BOOL:${MG_WERROR}>,$<COMPILE_LANGUAGE:CXX>>:-Werror>
    $<$<COMPILE_LANGUAGE:CUDA>:--Werror=cross-execution-space-call>
    $<$<AND:$<BOOL:${MG_WERROR}>,$<COMPILE_LANGUAGE:CUDA>>:--Werror=all-warnings>)
endfunction()

# Files named *_isa.cpp hold hot host loops. Each is compiled once per instruction set, with MG_ISA naming the namespace
# of that copy; the module's dispatcher picks one at run time (core/cpu.hpp).
set(MG_ISA_FLAGS_baseline "-march=x86-64")
set(MG_ISA_FLAGS_avx2 "-march=haswell")
set(MG_ISA_FLAGS_avx512 "-march=skylake-avx512;-mprefer-vector-width=512")
function(mg_add_isa_copies target)
  foreach(isa baseline avx2 avx512)
    add_library(${target}_${isa} OBJECT ${ARGN})
    mg_common(${target}_${isa})
    target_compile_definitions(${target}_${isa} PRIVATE MG_ISA=isa_${isa})
    target_compile_options(${target}_${isa} PRIVATE ${MG_ISA_FLAGS_${isa}})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_${isa}>)
  endforeach()
endfunction()

function(mg_glue)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE ${MG_GLUE_FLAGS})
  endforeach()
endfunction()

function(mg_module name)
  cmake_parse_arguments(M "" "" "DEPENDS" ${ARGN})
  file(GLOB host CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cpp)
  file(GLOB isa CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*_isa.cpp)
  list(FILTER host EXCLUDE REGEX "_isa\\.cpp$")
  add_library(mg_${name} STATIC ${host})
  set(MG_TARGET mg_${name})
  if(MG_WITH_CUDA)
    file(GLOB device CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cuda/${name}/*.cu)
    target_sources(mg_${name} PRIVATE ${device})
    if(MG_EMULATION AND device)
      mg_compile_as_cpp(${device})
    endif()
  endif()
  target_link_libraries(mg_${name} PUBLIC ${M_DEPENDS})
  mg_common(mg_${name})
  if(isa)
    mg_add_isa_copies(mg_${name} ${isa})
  endif()
endfunction()

# What `version` tells: commit and dirtiness are looked up at every build, everything else while configuring.
function(mg_build_info target)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  string(STRIP "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}" MG_FLAGS_TEXT)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/build_config.hpp.in ${PROJECT_BINARY_DIR}/generated/mg_build_config.hpp)
  set(header ${PROJECT_BINARY_DIR}/generated/mg_git.hpp)
  add_custom_target(mg_git_info BYPRODUCTS ${header} COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR}
                    -DOUTPUT=${header} -P ${PROJECT_SOURCE_DIR}/cmake/GitInfo.cmake COMMENT "")
  add_dependencies(${target} mg_git_info)
endfunction()

function(mg_program name folder)
  cmake_parse_arguments(M "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  add_library(mg_apps STATIC ${sources})  # a library, so that tests reach the subcommands in process
  target_link_libraries(mg_apps PUBLIC ${M_DEPENDS})
  mg_common(mg_apps)
  mg_build_info(mg_apps)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/${folder}/main.cpp)
  target_link_libraries(${name} PRIVATE mg_apps)
  mg_common(${name})
  mg_glue(mg_apps ${name})
endfunction()
