"""What an installed copy can do: commands that need more than the core say so in one line.

The distribution is `music-ssl`, the package `musiclib`. A wheel holds the library, the claims, the runner, the
notebooks and the profiles; committed results, tests and the documentation are in a checkout alone.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

DISTRIBUTION = "music-ssl"

ROOT = Path(__file__).resolve().parents[1]
"""The checkout, or the folder that the packages are installed in."""

CHECKOUT = (ROOT / "pyproject.toml").is_file()
"""Whether the packages lie in a checkout (or in an unpacked source archive)."""


def need_checkout(what: str) -> None:
    """Return in a checkout; elsewhere SystemExit with one line. what: the command, as it is typed."""
    if not CHECKOUT:
        raise SystemExit(f"{what}: this needs a checkout of the repository; the copy in {ROOT} is an installed wheel")


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Import inside; where a module of another project is missing, what is said names the extra that brings it.

    name: the extra of `music-ssl` that declares what is imported. A command (`python -m`) ends with that line and no
    traceback; for an importing program it is the message of the ModuleNotFoundError. A missing module of ours is an
    error as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "musiclib").partition(".")[0] in ("musiclib", "proofs_checks", "reproduce"):
            raise
        said = f"no module {error.name!r}: this needs the extra {name!r} of {DISTRIBUTION}"
        # argv[0] is "-m" while Python looks for the module of a command, and its file afterwards
        if sys.argv[0] == "-m" or Path(sys.argv[0]).name == "__main__.py":
            raise SystemExit(said) from None
        raise ModuleNotFoundError(said, name=error.name) from error
