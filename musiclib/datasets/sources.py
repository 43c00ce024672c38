"""Where data are looked for, what is said when they are not there, and how they are fetched and read from archives."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from tqdm import tqdm

LARGEST_MEMBER = 64 * 2**20  # bytes; no file inside the archives read here comes near it


class DatasetMissing(FileNotFoundError):
    """A set of images was not found. The message says where it was looked for and how to get it."""

    def __init__(self, name: str, looked: Iterable[Path | str], remedy: str) -> None:
        places = "\n".join(f"  - {place}" for place in looked)
        super().__init__(f"dataset {name!r} was not found. Looked in:\n{places}\nTo get it: {remedy}")


def data_root(root: str | Path | None) -> Path:
    """The folder under which data are looked for: the argument, else $MUSICLIB_DATA, else ./data. It need not exist."""
    chosen = root if root is not None else os.environ.get("MUSICLIB_DATA") or "data"
    return Path(chosen).expanduser().absolute()


def file_digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def download(url: str, target: Path, *, check: Callable[[Path], str | None]) -> Path:
    """Fetch `url` into `target` unless it is there. `check` names what is wrong with a file, or returns None.

    The file appears under its name only after it passed the check, so an interrupted or altered download is never
    taken for the real thing. Raises ConnectionError when it cannot be fetched, ValueError when the check fails.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as sink:
            try:
                with urllib.request.urlopen(url, timeout=60) as source:
                    total = int(source.headers.get("Content-Length") or 0) or None
                    with tqdm(total=total, unit="B", unit_scale=True, desc=target.name, mininterval=1.0) as bar:
                        while block := source.read(1 << 20):
                            sink.write(block)
                            bar.update(len(block))
            except (urllib.error.URLError, OSError) as error:
                raise ConnectionError(
                    f"could not download {url}: {error}. Fetch it elsewhere and put it at {target}"
                ) from error
            sink.flush()
            os.fsync(sink.fileno())
        problem = check(partial)
        if problem:
            raise ValueError(f"{url}: {problem}. Nothing was kept")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def tar_members(archive: Path, wanted: Callable[[PurePosixPath], bool]) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The regular files of a tar (plain, gz, bz2, xz) that are `wanted`, read into memory one after another.

    Nothing is written to disk, so no name in the archive can reach a place outside it; all the same an absolute name
    or one with '..' means that the archive is not what it claims to be, and is an error, as is a damaged archive.
    """
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise ValueError(f"{archive} holds the unsafe member name {member.name!r}; get the archive again")
                if not member.isfile() or not wanted(path):
                    continue
                if member.size > LARGEST_MEMBER:
                    raise ValueError(
                        f"{archive}: {member.name} has {member.size} bytes, at most {LARGEST_MEMBER} are expected"
                    )
                stream = tar.extractfile(member)
                assert stream is not None  # a regular file always opens
                with stream:
                    yield path, stream.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{archive} cannot be read as a tar archive ({error}); get it again") from error
