"""Start a Python kernel that cannot outlive whoever started it.

Jupyter puts a kernel into a session of its own, so that ending the runner's process group does not reach it. On Linux
the system itself is asked to end the kernel with its parent; elsewhere the runner finds leftovers by their environment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to send SIGKILL to this process when the thread that started it ends. Does nothing elsewhere."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.environ.get("MUSICLIB_PARENT")
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent and os.getppid() != int(parent):  # it ended before the call above
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # the worker has it blocked, and that is inherited
    sys.path[:] = [p for p in sys.path if p not in ("", os.getcwd())]  # the kernel adds its folder itself, last of all
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
