//===- Compiler.h - from a model file to a library --------------*- C++ -*-===//
#ifndef SSM_LIB_DRIVER_COMPILER_H
#define SSM_LIB_DRIVER_COMPILER_H

#include "lib/Target/Cpu/Cpu.h"
#include "ssm-mlir/Import.h"

namespace ssm {

struct CompilerOptions {
  std::string program;      // this executable, which a reproducer is made with
  std::string input;        // an ONNX file, or IR when compileFrom is given
  std::string output;       // library, object or IR
  std::string emit = "lib"; // lib, obj, or what the table of phases calls IR
  std::string compileTo;    // phase to stop after, writing its IR
  std::string compileFrom;  // phase whose IR the input is
  std::string dumpPhasesTo; // folder for the IR after each phase
  std::string report;       // file for the JSON report
  std::optional<std::string> remarks; // regular expression of categories
  std::string runtime;      // archive that libraries are linked with
  unsigned threads = 0;     // of the compiler; 0: as many as there are cores
  bool writeWeights = true; // IR is written with its weights beside it; otherwise they read as zeros
  bool raise = true;        // sequence mixers are raised from their spellings
  bool verifyRaise = false; // and run against them
  std::vector<std::string> forms; // KIND:FORM, what mixers of a kind are computed in
  CpuOptions cpu;
};

/// Exit status of ssmc: 0, 1 for a mistake of the user, 2 for one of ours (with a reproducer beside the output).
int compile(const CompilerOptions &options);

} // namespace ssm
#endif
