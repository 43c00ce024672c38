"""Messages are not worth a training: a closed pipe, a missing stderr or a narrow encoding silences the display alone.

with forgiving():
    ...            # whatever prints in here cannot fail by printing
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO


class Forgiving:
    """A text stream that never raises: once its other end is gone it is silent, and letters that its encoding lacks are
    escaped."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.gone = stream, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write as far as that is possible; the number of characters, written or not."""
        if not self.gone:
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                narrow = self.stream.encoding or "ascii"
                self.write(text.encode(narrow, "backslashreplace").decode(narrow))
            except (OSError, ValueError):  # a broken pipe, a terminal that is gone, a full disk, a closed file
                self._give_up()
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write every line."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, or find that nobody listens."""
        if not self.gone:
            try:
                self.stream.flush()
            except (OSError, ValueError):
                self._give_up()

    def _give_up(self) -> None:
        """Lead what is still buffered nowhere, or the interpreter would complain of it when it ends."""
        self.gone = True
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
            self.stream.flush()


def listening(stream: TextIO | Forgiving | None) -> Forgiving:
    """`stream` as one that never raises; one that leads nowhere for None, which is what a closed stderr is."""
    if isinstance(stream, Forgiving):
        return stream
    return Forgiving(stream if stream is not None else open(os.devnull, "w", encoding="utf-8"))


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """sys.stdout and sys.stderr that never raise, also where one of them was closed before the start."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, so that no file of ours becomes stderr
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = listening(sys.stdout), listening(sys.stderr)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


class Parser(argparse.ArgumentParser):
    """Wrong arguments are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave."""
        self.exit(2, f"{self.prog}: {one_line(message)} (--help tells more)\n")


def one_line(message: object) -> str:
    """Text without line breaks, as YAML's messages have them."""
    return " ".join(str(message).split())


def unsupported() -> str:
    """Why the commands do not run on this system; empty where they do. The library itself can be imported anywhere."""
    if sys.platform == "win32":
        return "Windows is not supported; use the Windows Subsystem for Linux (WSL), Linux or macOS"
    return ""
