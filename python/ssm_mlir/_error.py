"""The package's exception."""
from . import _runtime


class Error(RuntimeError):
    """Carries the text that the command line would print; `status` is its exit status: 1 a mistake of the user,
    2 a failure of the compiler or of a library."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


_runtime.set_error_type(Error)
