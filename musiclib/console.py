"""Messages are not worth a training: a closed pipe, a missing stderr or a narrow encoding silences the display alone.

with forgiving():
    ...            # whatever prints in here cannot fail by printing
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


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


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """sys.stdout and sys.stderr that never raise, also where one of them was closed before the start."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, so that no file of ours becomes stderr
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Forgiving(s if s is not None else open(os.devnull, "w")) for s in before)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
