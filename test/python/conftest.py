"""The package under test is the installed one, or the one that the build folder assembles."""
import os
import pathlib
import sys

BUILD = pathlib.Path(os.environ.get("SSM_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
if (BUILD / "python/ssm_mlir").is_dir() and not os.environ.get("SSM_TEST_INSTALLED"):
    sys.path.insert(0, str(BUILD / "python"))
