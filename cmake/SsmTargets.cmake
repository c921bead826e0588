# ssm_library(NAME [EXCEPTIONS] [NO_PCH] [DEPENDS target...] [LINK lib...])
# A static library of every .cpp in the current folder. All such libraries share one precompiled header
# (cmake/pch.h), because upstream headers are nearly all of a compilation's cost.
function(ssm_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS;NO_PCH" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if(NOT ARG_NO_PCH)
    target_precompile_headers(${name} REUSE_FROM ssm_pch)
  endif()
endfunction()

# ssm_passes(NAME ...): an ssm_library with a Passes.td beside it, which becomes Passes.h.inc.
function(ssm_passes name)
  set(LLVM_TARGET_DEFINITIONS Passes.td)
  mlir_tablegen(Passes.h.inc -gen-pass-decls -name ${name})
  add_public_tablegen_target(${name}IncGen)
  ssm_library(${name} ${ARGN})
  add_dependencies(${name} ${name}IncGen)
endfunction()

# ssm_tool(NAME LINK lib...): an executable of every .cpp in the current folder. MLIR and LLVM are the shared libraries.
function(ssm_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
endfunction()
