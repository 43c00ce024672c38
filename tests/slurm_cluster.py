"""A SLURM cluster of one node, this machine, for as long as a `with` block lasts: munged, slurmctld and slurmd on free
ports, everything in a temporary folder. Needs root, and the programs of Debian's packages slurm-wlm and munge."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
CPUS, MEMORY_MB = 4, 6000  # of the node, whatever the machine has

CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no cluster here; empty where there can."""
    absent = [p for p in PROGRAMS if not shutil.which(p, path=PLACES)]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: slurm-wlm, munge)"
    return "" if os.geteuid() == 0 else "slurmd needs root"


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def ask(*command: str) -> str:
    """What a command of SLURM prints; empty where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()


def wait_until(true, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)


def requeue(job: str) -> None:
    """Stop a job and have it started again, as a preemption does; SLURM itself would hold it back for two minutes."""

    def again() -> bool:
        ask("scontrol", "update", f"jobid={job}", "StartTime=now")
        return "Restarts=1" in ask("scontrol", "show", "job", job) and running(job)

    ask("scontrol", "requeue", job)
    wait_until(again, 200, f"job {job} at work again")


def running(job: str) -> bool:
    return ask("squeue", "-h", "-j", job, "-o", "%T") == "RUNNING"


@contextlib.contextmanager
def one_node() -> Iterator[Path]:
    """The cluster, up; its folder, with the daemons' logs. SLURM_CONF names it to every child of this process."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # munged wants a path that all may enter
    folder.chmod(0o755)
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=host, folder=folder, ports=free_ports(2), cpus=CPUS, memory=MEMORY_MB))
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(conf)
    daemons: list[subprocess.Popen] = []

    def start(name: str, *arguments: str) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            command = [shutil.which(name, path=PLACES), *arguments]
            daemons.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    try:
        files = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid", "seed-file": "munged.seed"}
        start("munged", "--foreground", "--force", *(f"--{k}={folder / v}" for k, v in files.items()))
        wait_until(lambda: (folder / "munge.sock").exists(), 30, "munged")
        start("slurmctld", "-D", "-f", str(conf))
        start("slurmd", "-D", "-f", str(conf))
        wait_until(lambda: ask("sinfo", "-h", "-o", "%T") == "idle", 60, "the node")
        yield folder
    finally:
        ask("scancel", "--state=PENDING")
        ask("scancel", "--user=root")
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not ask("squeue", "-h"), 30, "the end of all jobs")
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        os.environ.pop("SLURM_CONF") if before is None else os.environ.update(SLURM_CONF=before)
        shutil.rmtree(folder, ignore_errors=True)
