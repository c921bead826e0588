import os
import sys

import lit.formats
from lit.llvm import llvm_config

config.name = "ssm-mlir"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["conformance", "python", "unit", "models", "benchmark", "robustness", "fuzz", "property", "verify"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.ssm_obj_root, "test")
config.substitutions.append(("%python", sys.executable))
llvm_config.with_environment("PATH", [config.ssm_tools_dir, config.llvm_tools_dir], append_path=True)
llvm_config.add_tool_substitutions(["ssm-opt", "ssmc", "ssm-run", "ssm-translate", "ssm-reduce", "ssm-lsp-server", "FileCheck", "not", "count", "split-file"],
                                   [config.ssm_tools_dir, config.llvm_tools_dir])
