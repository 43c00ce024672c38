"""Where data are looked for, what is said when they are not there, and how they are fetched and read from archives."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from musiclib.datasets.storage import replacing

LARGEST_MEMBER = 256 * 2**20  # bytes; no file inside the archives read here comes near it


class DatasetMissing(FileNotFoundError):
    """A set of images was not found. The message says where it was looked for and how to get it."""

    def __init__(self, name: str, looked: Iterable[Path | str], remedy: str) -> None:
        places = "\n".join(f"  - {shown(place)}" for place in looked)
        super().__init__(f"dataset {name!r} was not found. Looked in:\n{places}\nTo get it: {remedy}")


class DatasetUnusable(ValueError):
    """The data are there and cannot be used as they are: damaged, unreadable, incomplete, of another form. One line."""


class Unlabelled(DatasetUnusable):
    """Labels were asked of a set that has none."""


def shown(path: str | bytes | os.PathLike) -> str:
    """A path in one printable line: line breaks, other control characters and bytes that are no UTF-8 are escaped."""
    text = os.fsdecode(path)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(error: BaseException) -> str:
    """What an error says, in one line of at most 300 characters; its type where it says nothing."""
    words = " ".join(shown(str(error)).replace("\\n", " ").split()) or type(error).__name__
    return words if len(words) <= 300 else f"{words[:297]}..."


def tell(message: str) -> None:
    """A line on stderr; no work ends because nobody listens."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(message, file=sys.stderr, flush=True)


def absolute(path: str | os.PathLike) -> Path:
    """`path` absolute, with ~ as the home folder; a ValueError for a ~ that no home folder belongs to."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"{shown(path)} begins with ~, and this user has no home folder: write it out") from error


def data_root(root: str | Path | None) -> Path:
    """The folder under which data are looked for: the argument, else $MUSICLIB_DATA, else ./data. It need not exist."""
    return absolute(root if root is not None else os.environ.get("MUSICLIB_DATA") or "data")


def read_file(path: Path, md5: str | None = None) -> bytes:
    """The content of a file; DatasetUnusable, naming it, when it cannot be read or its md5 sum is not `md5`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetUnusable(f"{shown(path)} cannot be read: {error.strerror}") from error
    return check_md5(shown(path), content, md5)


def check_md5(name: str, content: bytes, md5: str | None) -> bytes:
    """`content`; DatasetUnusable when it does not have the published md5 sum (None: there is none to compare with)."""
    if md5 is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise DatasetUnusable(
            f"{name} does not have the published md5 sum {md5}: damaged, or another file of this name. Get it again, "
            "or pass verify=False to read it as it is"
        )
    return content


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
    with replacing(target) as partial:
        try:
            with partial.open("wb") as sink, urllib.request.urlopen(url, timeout=60) as source:
                total = int(source.headers.get("Content-Length") or 0) or None
                with tqdm(total=total, unit="B", unit_scale=True, desc=target.name, mininterval=1.0) as bar:
                    while block := source.read(1 << 20):
                        sink.write(block)
                        bar.update(len(block))
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            raise ConnectionError(
                f"could not download {url}: {error}. Fetch it elsewhere and put it at {target}"
            ) from error
        problem = check(partial)
        if problem:
            raise DatasetUnusable(f"{url}: {problem}. Nothing was kept")
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
                    raise DatasetUnusable(
                        f"{shown(archive)} holds the unsafe member name {member.name!r}; get the archive again"
                    )
                if not member.isfile() or not wanted(path):
                    continue
                if member.size > LARGEST_MEMBER:
                    raise DatasetUnusable(
                        f"{shown(archive)}: {member.name} has {member.size} bytes, more than {LARGEST_MEMBER}"
                    )
                with tar.extractfile(member) as stream:
                    yield path, stream.read()
    except DatasetUnusable:
        raise
    except Exception as error:  # tarfile lets TypeError and others of its own through where a header is cut
        problem = f"cannot be read as a tar archive ({one_line(error)})"
        raise DatasetUnusable(f"{shown(archive)} {problem}; get it again") from error
