"""Does a damaged file ever crash, hang or fool a reader? Valid files, damaged at random, through the library's readers.

    python -m benchmarks.fuzz_readers --files 300                          # of every format
    python -m benchmarks.fuzz_readers --files 100000 --seconds 1200        # what the committed record holds
    python -m benchmarks.fuzz_readers --formats PNG --first 4711 --files 1 --keep /tmp/found      # one file again

Bits are flipped, ends cut off, pieces doubled, moved and exchanged between files, numbers in headers made extreme;
where a format has check sums they are put right in half of the files, so that the damage reaches what lies behind them.
Every file may end in two ways: as a value of the right type and range (where the format has check sums: the value that
was there before), or as an error of the documented type in one line that names the file. Anything else is a fault:
another exception, more lines, no name, a wrong array, a process that dies or takes longer than the limit. The damage is
a function of (format, number, seed), so that every fault can be made again. Exit code 1 when there are faults.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.fuzz_damage import damage
from benchmarks.fuzz_formats import FORMATS, Files, Format
from musiclib.files import read_json, write_json
from musiclib.record import provenance

LIMIT = 30.0  # seconds a file
MEMORY = 6 * 2**30  # bytes of address space beyond what the process has at its start
LONGEST = 1000  # characters of an error that still counts as one line
READ, OTHER, REFUSED = "read as it was", "read as another valid value", "refused in one line"
FINE = (READ, OTHER, REFUSED)


def damaged(form: Format, samples: list[Files], name: str, number: int, seed: int) -> tuple[int, str, bytes]:
    """(which sample, kind of damage, the damaged file) of one number."""
    rng = random.Random(f"{seed} {name} {number}")
    which = rng.randrange(len(samples))
    content, other = (next(iter(samples[i].values())) for i in (which, rng.randrange(len(samples))))
    resealed = form.resealed is not None and rng.random() < 0.5
    if resealed and content[:2] == b"\x1f\x8b":
        import gzip

        content, other = gzip.decompress(content), gzip.decompress(other) if other[:2] == b"\x1f\x8b" else other
        kind, made = damage(content, other, rng)
        return which, f"{kind}, resealed", gzip.compress(made, mtime=0)
    kind, made = damage(content, other, rng)
    return (which, f"{kind}, resealed", form.resealed(made)) if resealed else (which, kind, made)


def same(a: Any, b: Any) -> bool:
    """Equality that looks into containers and arrays."""
    if isinstance(a, (torch.Tensor, np.ndarray)):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def outcome(form: Format, folder: Path, path: Path, original: Any, certain: bool) -> tuple[str, str]:
    """(how the reading of a file ended, in the words that are counted; the words of the error or of the value)."""
    try:
        found = form.read(folder, path)
    except form.refusals as error:
        words = str(error)
        if not words.isprintable():
            return "FAULT: several lines", words
        if len(words) > LONGEST:
            return "FAULT: endless line", words
        if str(path) not in words and path.name not in words and path.parent.name not in words:
            return "FAULT: file not named", words
        return REFUSED, words
    except Exception as error:
        return f"FAULT: {type(error).__name__}", str(error)
    if same(found, original):
        return READ, ""
    wrong = form.sound(found) or (certain and f"a damaged file was taken for sound: {found}")
    return ("FAULT: wrong value", str(wrong)) if wrong else (OTHER, "")


def _work(name: str, numbers: range, seed: int, pipe: Any) -> None:
    """A reading process: sends (number, kind of damage, outcome, words) of every file."""
    form = FORMATS[name]
    warnings.simplefilter("ignore")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)  # libtiff has words of its own
    faulthandler.disable()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
    samples = list(form.samples())
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # disks are slow at files that come and go
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory) as place:
        folders, paths, originals = [], [], []
        for i, files in enumerate(samples):
            folders.append(Path(place) / str(i))
            for file, content in files.items():
                (folders[i] / file).parent.mkdir(parents=True, exist_ok=True)
                (folders[i] / file).write_bytes(content)
            paths.append(folders[i] / next(iter(files)))
            originals.append(form.read(folders[i], paths[i]))
        for number in numbers:
            which, kind, content = damaged(form, samples, name, number, seed)
            pipe.send((number, kind, None, None))
            paths[which].write_bytes(content)
            certain = form.certain and not kind.endswith("resealed")
            pipe.send((number, kind, *outcome(form, folders[which], paths[which], originals[which], certain)))
    pipe.send(None)


def outcomes(name: str, numbers: range, seed: int, limit: float = LIMIT) -> Iterator[tuple[int, str, str, str]]:
    """(number, kind of damage, outcome, words) of the numbered files, read by a process of its own. One that dies, or
    takes longer than `limit` seconds for a file, is an outcome, and another process goes on behind that file."""
    context = multiprocessing.get_context("fork")
    first = numbers.start
    while first < numbers.stop:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(name, range(first, numbers.stop), seed, theirs), daemon=True)
        process.start()
        theirs.close()
        number, kind = first, "none"
        try:
            while True:
                if not ours.poll(limit):
                    yield number, kind, "FAULT: hang", f"no answer for {limit:.0f} s"
                    break
                answer = ours.recv()
                if answer is None:
                    return
                number, kind, how, words = answer
                if how is not None:
                    yield number, kind, how, words
        except EOFError:
            process.join()
            code = process.exitcode
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            yield number, kind, f"FAULT: died of {how}", ""
        finally:
            process.kill()
            process.join()
            ours.close()
        first = number + 1


def fuzz(name: str, numbers: range, seed: int, seconds: float, limit: float = LIMIT) -> dict[str, Any]:
    """Counts of outcomes of one format, and the first faults of every sort."""
    counts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    faults: list[dict[str, Any]] = []
    start = time.monotonic()
    found = outcomes(name, numbers, seed, limit)
    with contextlib.closing(found):
        for number, kind, how, words in found:
            counts[how] += 1
            kinds.setdefault(kind, Counter())[how] += 1
            if how not in FINE and sum(fault["outcome"] == how for fault in faults) < 5:
                faults.append({"number": number, "damage": kind, "outcome": how, "words": words[:500]})
            if time.monotonic() - start > seconds:
                break
    return {
        "files": counts.total(),
        "seconds": round(time.monotonic() - start, 1),
        "outcomes": dict(counts),
        "damage": {kind: dict(counter) for kind, counter in sorted(kinds.items())},
        "faults": faults,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=300, help="damaged files of every format (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for all formats; fewer files then")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds a file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default: %(default)s)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), metavar="NAME")
    parser.add_argument("--keep", type=Path, help="write the files that made a fault into this folder")
    parser.add_argument("--out", type=Path, help="the record, in which other formats stay (default: none)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    numbers = range(args.first, args.first + args.files)
    formats: dict[str, Any] = {}
    start = time.monotonic()
    print(f"{'format':12s} {'files':>7s} {'as it was':>10s} {'other':>7s} {'refused':>8s} {'faults':>7s}")
    for i, name in enumerate(args.formats):
        share = (args.seconds - (time.monotonic() - start)) / (len(args.formats) - i)
        found = formats[name] = fuzz(name, numbers, args.seed, share, args.limit)
        counts = [found["outcomes"].get(how, 0) for how in FINE]
        wrong = found["files"] - sum(counts)
        print(f"{name:12s} {found['files']:7d} {counts[0]:10d} {counts[1]:7d} {counts[2]:8d} {wrong:7d}", flush=True)
        for fault in found["faults"]:
            print(f"    {fault['number']} ({fault['damage']}) {fault['outcome']}: {fault['words'][:200]!r}", flush=True)
            if args.keep:
                form = FORMATS[name]
                samples = list(form.samples())
                which, _, content = damaged(form, samples, name, fault["number"], args.seed)
                file = Path(next(iter(samples[which]))).name
                args.keep.mkdir(parents=True, exist_ok=True)
                (args.keep / f"{name.replace(' ', '-')}-{fault['number']}-{file}").write_bytes(content)
    if args.out:
        before = read_json(args.out) or {}
        kept = before.get("formats", {}) if before.get("seed") == args.seed else {}
        body = {"benchmark": "fuzz_readers", "seed": args.seed, "limit_s": args.limit, "formats": kept | formats}
        write_json(args.out, body | {"provenance": provenance()})
    return 1 if any(found["faults"] for found in formats.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
