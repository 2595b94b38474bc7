# find_package only: nothing is downloaded while configuring. docs/dependencies.md says why each one is here.
find_package(OpenMP COMPONENTS CXX)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PNG REQUIRED)
find_package(GIF REQUIRED)
find_package(ZLIB REQUIRED)

if(NOT TARGET GIF::GIF)
  add_library(GIF::GIF UNKNOWN IMPORTED)
  set_target_properties(GIF::GIF PROPERTIES IMPORTED_LOCATION ${GIF_LIBRARIES}
                        INTERFACE_INCLUDE_DIRECTORIES ${GIF_INCLUDE_DIR})
endif()

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
add_library(xxHash::xxhash UNKNOWN IMPORTED)
set_target_properties(xxHash::xxhash PROPERTIES IMPORTED_LOCATION ${XXHASH_LIBRARY}
                      INTERFACE_INCLUDE_DIRECTORIES ${XXHASH_INCLUDE_DIR})

find_package(Freetype)  # optional: emoji targets
if(FREETYPE_FOUND)
  add_library(mg_freetype INTERFACE)
  target_link_libraries(mg_freetype INTERFACE Freetype::Freetype)
  target_compile_definitions(mg_freetype INTERFACE MG_WITH_FREETYPE=1)
  set(MG_FREETYPE_TARGET mg_freetype)
endif()

set(MG_FFTW AUTO CACHE STRING "Transforms of the spectral losses on the host by FFTW: AUTO (when found), ON (an error \
without it), OFF (a binary with FFTW is under the GPL)")
set_property(CACHE MG_FFTW PROPERTY STRINGS AUTO ON OFF)
set(MG_FFT_TARGETS)
if(NOT MG_FFTW STREQUAL "OFF")
  find_path(FFTW_INCLUDE_DIR fftw3.h)
  find_library(FFTW_LIBRARY fftw3)
  find_library(FFTWF_LIBRARY fftw3f)
  if(FFTW_INCLUDE_DIR AND FFTW_LIBRARY AND FFTWF_LIBRARY)
    add_library(mg_fftw INTERFACE)
    target_include_directories(mg_fftw INTERFACE ${FFTW_INCLUDE_DIR})
    target_link_libraries(mg_fftw INTERFACE ${FFTW_LIBRARY} ${FFTWF_LIBRARY})
    target_compile_definitions(mg_fftw INTERFACE MG_WITH_FFTW=1)
    set(MG_FFT_TARGETS mg_fftw)
  elseif(MG_FFTW STREQUAL "ON")
    message(FATAL_ERROR "MG_FFTW=ON but FFTW was not found in single and double precision; install libfftw3-dev or "
                        "configure with -DMG_FFTW=OFF")
  endif()
endif()
message(STATUS "FFTW: ${MG_FFT_TARGETS} (MG_FFTW=${MG_FFTW})")
if(MG_WITH_CUDA AND NOT MG_EMULATION)
  list(APPEND MG_FFT_TARGETS CUDA::cufft)
endif()

if(MG_EMULATION)
  # Never instrumented for threads: its own bookkeeping is ordered by hand, the kernels' is not.
  file(GLOB emulation CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/emulation/*.cpp)
  list(FILTER emulation EXCLUDE REGEX "_test\\.cpp$")
  add_library(mg_emulation STATIC ${emulation})
  target_include_directories(mg_emulation PUBLIC ${PROJECT_SOURCE_DIR}/tests/support/emulation
                                                 ${PROJECT_SOURCE_DIR}/tests/support/emulation/include)
  target_compile_definitions(mg_emulation PUBLIC MG_CUDA_EMULATION=1
                                          PRIVATE MG_EMULATION_BUILD_DIR="${PROJECT_BINARY_DIR}")
  find_path(BOOST_CONTEXT_INCLUDE_DIR boost/context/detail/fcontext.hpp)
  find_library(BOOST_CONTEXT_LIBRARY boost_context)
  if(BOOST_CONTEXT_INCLUDE_DIR AND BOOST_CONTEXT_LIBRARY)  # else swapcontext, several times slower
    target_compile_definitions(mg_emulation PRIVATE MG_EMULATION_BOOST=1)
    target_link_libraries(mg_emulation PRIVATE ${BOOST_CONTEXT_LIBRARY})
  endif()
  if(MG_SANITIZE MATCHES "thread")
    target_compile_definitions(mg_emulation PRIVATE MG_EMULATION_TSAN=1)
    target_compile_options(mg_emulation PRIVATE -fno-sanitize=thread)
  endif()
endif()

set(MG_MPI AUTO CACHE STRING "The engine of ranks by MPI, in a shared object of its own: AUTO (when found), ON (an error \
without it), OFF")
set_property(CACHE MG_MPI PROPERTY STRINGS AUTO ON OFF)
if(MG_MPI STREQUAL "ON" OR (MG_MPI STREQUAL "AUTO" AND NOT MG_SANITIZE))
  find_package(MPI COMPONENTS C)
  if(MG_MPI STREQUAL "ON" AND NOT MPI_C_FOUND)
    message(FATAL_ERROR "MG_MPI=ON but MPI was not found; install libopenmpi-dev or configure with -DMG_MPI=OFF")
  endif()
endif()
message(STATUS "MPI: ${MPI_C_FOUND} (MG_MPI=${MG_MPI})")

# libmorphogen_mpi.so beside the program, which loads it only when MPI is asked for and is not linked with MPI itself.
function(mg_mpi_engine program)
  if(NOT MPI_C_FOUND)
    return()
  endif()
  add_library(morphogen_mpi MODULE ${PROJECT_SOURCE_DIR}/core/mpi/comm_mpi.cpp)
  target_link_libraries(morphogen_mpi PRIVATE MPI::MPI_C)
  mg_common(morphogen_mpi)
  mg_glue(morphogen_mpi)
  set_target_properties(morphogen_mpi PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
                                                 POSITION_INDEPENDENT_CODE ON)
  add_dependencies(${program} morphogen_mpi)
endfunction()
