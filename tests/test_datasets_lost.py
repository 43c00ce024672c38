"""No wait without end: a decoding process that is killed, stopped or out of memory ends the run with a word."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from musiclib.datasets import LostWorker, decode, load, loader, stream, workers
from musiclib.datasets.decode import PARALLEL_FROM, damaged_images, decode_images
from musiclib.datasets.stream import ImageStream
from musiclib.datasets.workers import shared_bytes, spread

pytestmark = [
    pytest.mark.skipif(not workers.FORKS, reason="helping processes are forked on Linux alone"),
    pytest.mark.timeout(120),
]
HERE = os.getpid()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICLIB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path):
    """More files than one process decodes alone: links to one small picture, in two classes."""
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "one.png")
    found = []
    for name in ("a", "b"):
        (tmp_path / "t" / "train" / name).mkdir(parents=True)
        for i in range(PARALLEL_FROM // 2 + 10):
            path = tmp_path / "t" / "train" / name / f"{i:04d}.png"
            os.link(tmp_path / "one.png", path)
            found.append(path)
    return found


def ends(how):
    """What happens to the process that comes to a certain file."""
    if os.getpid() == HERE:
        raise AssertionError("this was to run in a helping process")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "gone":
        os._exit(3)


WORDS = {
    "killed": "was killed by SIGKILL, as the kernel does when memory runs out",
    "gone": "ended with exit code 3",
    "stopped": "processes answered for 2 s",
}


@pytest.mark.parametrize("how", WORDS)
def test_a_lost_decoding_process_ends_the_run_with_its_name(files, monkeypatch, how):
    real = decode.open_image

    def once(source, mode="RGB"):
        if source == files[777]:
            ends(how)
        return real(source, mode)

    monkeypatch.setattr(decode, "open_image", once)
    monkeypatch.setattr(workers, "PATIENCE", 2.0)
    with pytest.raises(LostWorker) as found:
        decode_images(files, size=8, workers=2)
    assert WORDS[how] in str(found.value)
    assert f"the images {files[750]} to {files[999]}" in str(found.value)
    assert "workers=1" in str(found.value)
    assert not multiprocessing.active_children()
    with pytest.raises(LostWorker):  # by the front door, and nothing of it is cached
        load(f"folder:{files[0].parents[2]}", size=8, workers=2)
    monkeypatch.setattr(decode, "open_image", real)
    assert len(load(f"folder:{files[0].parents[2]}", size=8, workers=2)) == len(files)


def test_looking_for_damaged_files_loses_no_process_without_a_word(files, monkeypatch):
    real = decode.upright

    def once(image, mode="RGB"):
        if os.getpid() != HERE and not (files[0].parent / ".done").exists():
            (files[0].parent / ".done").touch()
            ends("killed")
        return real(image, mode)

    monkeypatch.setattr(decode, "upright", once)
    with pytest.raises(LostWorker, match="SIGKILL"):
        damaged_images(files, workers=2)


def test_work_is_spread_and_every_answer_comes_once():
    out = shared_bytes(40, 2)

    def work(i):
        out[i] = (i, os.getpid() != HERE)
        return i * i

    assert dict(spread(work, 40, 3, str)) == {i: i * i for i in range(40)}
    assert out[:, 0].tolist() == list(range(40))
    assert out[:, 1].all()
    assert list(spread(lambda i: os.getpid(), 2, 1, str)) == [(0, HERE), (1, HERE)]
    assert list(spread(work, 0, 3, str)) == []


def test_an_error_in_a_helping_process_is_raised_here_and_leaves_none_behind():
    def work(i):
        if i == 5:
            raise ValueError("five")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="five"):
        list(spread(work, 1000, 2, str))
    assert not multiprocessing.active_children()


def test_work_that_is_given_up_leaves_no_process_behind():
    parts = spread(lambda i: time.sleep(0.01), 1000, 2, str)
    next(parts)
    assert multiprocessing.active_children()
    parts.close()
    assert not multiprocessing.active_children()


ORPHANS = """
import os, sys, time
from musiclib.datasets.storage import locked
from musiclib.datasets.workers import spread
from pathlib import Path

def work(i):
    with open(sys.argv[1], "a") as stream:
        stream.write(f"{os.getpid()}\\n")
    time.sleep(0.2)

with locked(Path(sys.argv[2]), "working"):
    list(spread(work, 10_000, 3, str))
"""


def test_helping_processes_end_with_the_one_they_help_and_release_its_lock(tmp_path):
    """Also when it is killed: orphans that waited for ever would hold the cache's lock for ever."""
    log, lock = tmp_path / "log", tmp_path / "lock"
    main = subprocess.Popen([sys.executable, "-c", ORPHANS, str(log), str(lock)])
    while not log.exists() or len(set(log.read_text().split())) < 3:
        assert main.poll() is None
        time.sleep(0.05)
    main.kill()
    main.wait()
    helpers = {int(line) for line in log.read_text().split()}
    end = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{pid}") and not _is_zombie(pid) for pid in helpers):
        assert time.monotonic() < end, "helpers outlived the process they helped"
        time.sleep(0.05)
    import fcntl

    with open(lock) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# -- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", WORDS)
@pytest.mark.parametrize("reader", ["batches", "plain"])
def test_a_lost_streaming_process_ends_the_run_with_its_name(files, monkeypatch, how, reader):
    source = ImageStream(files[0].parents[2], size=8, batch=4, workers=2)
    unlucky = int(source.order(0)[30]) if reader == "batches" else 30
    name = {"batches": "two_crops", "plain": "open_image"}[reader]
    real = getattr(stream, name)

    def once(path, *rest):
        if path == source.files[unlucky]:
            ends(how)
        return real(path, *rest)

    monkeypatch.setattr(stream, name, once)
    monkeypatch.setattr(workers, "PATIENCE", 2.0)
    with pytest.raises(LostWorker) as found:
        list(source.batches(0) if reader == "batches" else source.plain())
    assert WORDS[how] in str(found.value)
    assert f"a batch of {files[0].parents[2]}" in str(found.value)
    assert "workers=0" in str(found.value)
    assert not multiprocessing.active_children()
    monkeypatch.setattr(stream, name, real)
    assert len(list(source.plain())) == -(-len(files) // 4)


STREAMED = """
import sys, torch
from musiclib.datasets.stream import ImageStream
batches = list(ImageStream(sys.argv[1], size=224, batch=16, workers=2).batches(0))
print(len(batches), sum(int(x.sum()) for _, *views, _ in batches for x in views))
"""


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="mounting a small /dev/shm needs root")
def test_streams_need_no_shared_memory_of_the_container(files):
    """Docker gives /dev/shm 64 MiB; here it has 1, and a batch 5."""
    for path in files[200:500] + files[700:]:
        path.unlink()
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm && "
    printed = []
    for prefix in (mount, ""):
        command = f"{prefix}exec {sys.executable} -c '{STREAMED}' {files[0].parents[2]}"
        done = subprocess.run(["unshare", "-m", "sh", "-c", command], capture_output=True, text=True, timeout=100)
        if "mount:" in done.stderr or "unshare:" in done.stderr:
            pytest.skip("this container may not mount")
        printed.append((done.returncode, done.stdout))
    assert printed[0] == printed[1]
    assert printed[0][1].startswith("25 ")


def test_memory_that_cannot_be_had_is_told(monkeypatch):
    def full(*_):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(workers.mmap, "mmap", full)
    with pytest.raises(MemoryError, match=r"2\.0 GiB for an array of \(1024, 1048576, 2\) bytes"):
        shared_bytes(1024, 2**20, 2)


def test_a_stream_that_is_given_up_leaves_no_process_behind(files):
    batches = ImageStream(files[0].parents[2], size=8, batch=4, workers=2).batches(0)
    assert next(batches)[0].shape == (4,)
    assert len(multiprocessing.active_children()) == 2
    batches.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("count", [1, 3, 5, 50])
def test_processes_threads_and_none_of_them_make_the_same_batches(files, monkeypatch, count):
    rows = [np.arange(i, i + 1 + i % 3) for i in range(count)]  # batches of one to three

    def decode(position):
        time.sleep(0.001 * (position % 3))
        return np.full((2, 3), position % 251, np.uint8)

    expected = [(row.tolist(), [[[p % 251] * 3] * 2 for p in row]) for row in rows]

    def made(helpers):
        found = loader.loaded(decode, (2, 3), rows, workers=helpers, name="x")
        return [(positions.tolist(), pixels.tolist()) for positions, pixels in found]

    assert made(0) == made(1) == made(3) == expected
    monkeypatch.setattr(loader, "FORKS", False)
    assert made(3) == expected


def test_batches_stay_as_they_were_when_later_ones_are_made(files):
    rows = [np.array([i]) for i in range(20)]
    kept = list(loader.loaded(lambda p: np.full(3, p, np.uint8), (3,), rows, workers=2, name="x"))
    assert [pixels[0, 0].item() for _, pixels in kept] == list(range(20))
