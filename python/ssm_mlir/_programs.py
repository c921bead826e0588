"""The programs that come with the package."""
import os
import pathlib
import shutil
import sys

from ._error import Error


def find(name):
    """Path of a program: SSM_MLIR_SSMC and the like, the package's own, a build folder's, or the one in PATH."""
    variable = "SSM_MLIR_" + name.upper().replace("-", "_")
    if os.environ.get(variable):
        return os.environ[variable]
    package = pathlib.Path(__file__).resolve().parent
    for folder in (package / "bin", package.parents[1] / "bin"):
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    found = shutil.which(name)
    if not found:
        raise Error(f"the program {name} was not found; set {variable} to its path", 2)
    return found


def ssmc():
    _become("ssmc")


def ssm_run():
    _become("ssm-run")


def _become(name):
    try:
        program = find(name)
    except Error as error:
        sys.exit(str(error))
    os.execv(program, [program, *sys.argv[1:]])
