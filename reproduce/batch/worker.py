"""Execute one notebook through papermill: `python -m reproduce.batch.worker SPEC.json`, one process a job.

SPEC has: notebook (absolute path), values (parameters), out (the job's folder). The executed copy appears as
`notebook.ipynb` in that folder when the kernel has stopped; until then it is `notebook.partial.ipynb`. What went wrong
stands in `failure.json`. Whether the job counts as done is NOT decided here, nor by the saved notebook: papermill
marks cells as completed that never ran. The runner asks the notebook's own record.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from reproduce import EXECUTED, FAILURE, PARTIAL
from reproduce.batch.kernel import die_with_parent
from reproduce.planning.handover import braces

LONGEST = 98  # characters of the name of a folder of sockets: an address has 107, and /k-12345 is added


def kernel_manager(folder: str):
    """A manager for kernels of this very interpreter, whatever kernels the user has installed, over sockets in
    `folder`.

    TCP ports are chosen before the kernel binds them, so that two kernels that start together may want the same one.
    The sockets need the folder by name: without it jupyter_client puts `kernel-ipc-1` into the working directory of
    every kernel. Where no folder is short enough for a socket's address, TCP it is."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    manager = AsyncKernelManager(kernel_name="python3", connection_file=str(Path(folder) / "k.json"))
    if len(os.fsencode(folder)) <= LONGEST:
        manager.transport, manager.ip = "ipc", str(Path(folder) / "k")
    command = [sys.executable, "-m", "reproduce.batch.kernel", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=command, display_name="Python 3", language="python")
    return manager


def short_folder() -> tempfile.TemporaryDirectory:
    """A temporary folder whose name leaves room for sockets: an address has 107 characters, and a scheduler's TMPDIR
    may be longer than that."""
    places = [os.environ.get("TMPDIR"), os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp", "/dev/shm"]
    room = LONGEST - len("/mu12345678")
    for place in places:
        if place and len(os.fsencode(place)) <= room:
            with contextlib.suppress(OSError):
                return tempfile.TemporaryDirectory(prefix="mu", dir=place, ignore_cleanup_errors=True)
    return tempfile.TemporaryDirectory(prefix="mu", ignore_cleanup_errors=True)


def own_settings(folder: Path) -> dict[str, str]:
    """Variables that keep the user's IPython start-up files and matplotlibrc out of the kernel."""
    (folder / "matplotlibrc").write_text("")
    return {
        "JUPYTER_RUNTIME_DIR": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
    }


def pass_on_sigterm() -> None:
    """Leave it to the kernel what SIGTERM means: a training saves first, and this process ends with its kernel.
    nbclient would kill the kernel at once."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def listen() -> None:
        while True:
            signal.sigwait({signal.SIGTERM})
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    child.terminate()

    threading.Thread(target=listen, daemon=True).start()


def execute(spec: dict, sockets: str) -> dict | None:
    """Run the notebook of `spec`, with the kernel's sockets in a folder of a short name; None when every cell ran,
    else what went wrong: kind, cell, name, message, traceback."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    out = Path(spec["out"])
    source, partial = Path(spec["notebook"]), out / PARTIAL
    manager = kernel_manager(sockets)
    try:
        papermill.execute_notebook(
            braces(source),
            braces(partial),
            parameters={**spec["values"], "out": str(out)},
            kernel_name="python3",
            language="python",
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stdout,
            cwd=str(source.parent),  # as in Jupyter; papermill would take the caller's folder
            start_timeout=180,  # a busy machine is no reason to lose a run
            km=manager,
        )
    except papermill.PapermillExecutionError as error:
        return {
            "kind": "cell",
            "cell": error.cell_index,
            "name": error.ename,
            "message": plain(error.evalue),
            "traceback": plain("\n".join(error.traceback)),
            "source": error.source,
        }
    except (DeadKernelError, CellTimeoutError) as error:
        code = exit_code(manager)
        by = (
            f" by signal {-code}" + (" (out of memory?)" if code == -9 else "") if code is not None and code < 0 else ""
        )
        cell = last_cell(partial)
        return {
            "kind": "kernel died",
            "cell": cell,
            "name": type(error).__name__,
            "message": f"the kernel died{by} in cell {cell}",
            "traceback": "",
        }
    except Exception as error:
        return {
            "kind": "runner",
            "cell": None,
            "name": type(error).__name__,
            "message": plain(str(error)),
            "traceback": "",
        }
    return None


def plain(text: str) -> str:
    """Without the colour codes of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(text))


def exit_code(manager) -> int | None:
    process = getattr(getattr(manager, "provisioner", None), "process", None)
    return process.poll() if process is not None else None


def cells_noted(notebook: Path) -> list[dict]:
    """What papermill noted about each cell; empty where the notebook is missing or damaged."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return [cell["metadata"].get("papermill", {}) for cell in cells]
    except (OSError, ValueError, KeyError):
        return []


def last_cell(notebook: Path) -> int | None:
    """The cell that was running when its kernel died: the last one that papermill has given a start time."""
    started = [(noted.get("start_time"), i) for i, noted in enumerate(cells_noted(notebook))]
    return max(((t, i) for t, i in started if t), default=(None, None))[1]


def cells_seconds(notebook: Path) -> float:
    """Time spent in the cells, as papermill noted it: what is left of the wall time is overhead."""
    return sum(noted.get("duration") or 0.0 for noted in cells_noted(notebook))


def main(path: str) -> int:
    """Execute the job and leave its folder tidy; 0 when every cell ran, 1 otherwise."""
    die_with_parent()
    os.environ["MUSICLIB_PARENT"] = str(os.getpid())
    spec = json.loads(Path(path).read_text(encoding="utf-8"))
    out = Path(spec["out"])
    if spec.get("processes"):
        from reproduce.batch import torchrun  # brings torch, which no notebook's worker needs

        return finish(out, torchrun.execute(spec))
    for name in (EXECUTED, PARTIAL, FAILURE, "notebook.html"):
        (out / name).unlink(missing_ok=True)
    pass_on_sigterm()
    with short_folder() as short:
        os.environ.update(own_settings(Path(short)))
        failure = execute(spec, short)
    with contextlib.suppress(FileNotFoundError):
        os.replace(out / PARTIAL, out / EXECUTED)
    return finish(out, failure)


def finish(out: Path, failure: dict | None) -> int:
    """Leave failure.json, whole or not at all, and say the same in the log; the exit code."""
    if failure is None:
        return 0
    from musiclib.files import write_json  # brings torch, so only after a failure

    write_json(out / FAILURE, failure)
    print(f"{failure['kind']} (cell {failure['cell']}): {failure['name']}: {failure['message']}", flush=True)
    print(failure["traceback"], flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
