"""Packages that need not be there, and need not work."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from importlib.util import find_spec

from utils import UserError


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


def check_matplotlib() -> None:
    """Raises UserError where Matplotlib is missing, or cannot be loaded."""
    if not find_spec("matplotlib"):
        raise UserError("--report draws with Matplotlib, which is not installed here: pip install matplotlib")
    with failing_aloud(), unheard():
        import matplotlib.figure
        import matplotlib.ticker  # noqa: F401 - only whether they can be loaded


@contextlib.contextmanager
def failing_aloud() -> Iterator[None]:
    """Whatever Matplotlib raises becomes the UserError that says so."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an optional package may raise anything
        raise UserError(
            f"--report draws with Matplotlib, which fails with {type(error).__name__}: {first_line(error)}; "
            "mend it with pip install --force-reinstall matplotlib"
        ) from error
