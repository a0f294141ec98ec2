"""Packages that need not be there, and need not work."""

import contextlib
import io
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What is printed or warned of meanwhile goes nowhere, and a warning that is to be an error is none: for imports.

    Not for every step of a run: other warnings, which were shown once, would be shown again after each.
    """
    nowhere = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        yield


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
