"""Files that commands write: whole or not at all, and nobody else's.

A file is made beside its place and put there when it is whole: whoever reads
it finds the old one or the new one, also where two commands write at once, or
one is stopped. What a command may go on from, or add to, is under a lock.
"""
import contextlib
import hashlib
import os
import re
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark_utils.reporting.commands import note

#: Bytes of a name, of which file systems take 255, with room for an end.
LONGEST = 150


@contextlib.contextmanager
def replacing(file):
    """A place to write to, which then takes the place of a file.

    Parameters
    ----------
    file : Path
        Its folder is made where it is not there.

    Yields
    ------
    Path
        In the same folder, with the same suffix. It is removed where
        something is raised.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
            dir=file.parent, prefix=".part-") as folder:
        part = Path(folder) / f"part{file.suffix}"
        yield part
        os.replace(part, file)


def write(file, text):
    """Write a text to a file, whole or not at all."""
    with replacing(file) as part:
        part.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def locked(file):
    """One process at a time, of all that lock this file.

    The lock goes with the process that has it, however that ends.

    Parameters
    ----------
    file : Path
        What it is about; the lock is a hidden file beside it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.parent / f".{file.name}.lock")
    try:
        lock.acquire(timeout=1.0)
    except Timeout:
        note(f"waiting for another command, which has {file}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def output(option, file):
    """Check the place of a file that a user names, before anything runs.

    Parameters
    ----------
    option : str
        Of the command.
    file : str or Path

    Returns
    -------
    Path
        In a folder that is there.

    Raises
    ------
    ValueError
        If the file exists, or its folder cannot be written to.
    """
    file = Path(file)
    if file.exists() or file.is_symlink():
        raise ValueError(f"{option}={str(file)!r} is not valid: a file that "
                         "does not exist is needed")
    folder(option, file.parent)
    return file


def folder(option, path):
    """Make a folder that a user names, before anything runs.

    Raises
    ------
    ValueError
        If it cannot be made, or not be written to.
    """
    try:
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(f"{option}={str(path)!r} is not valid: a folder that "
                         f"can be written to is needed ({error})") from error
    return path


def content(file):
    """Digest of a file's content, or None where there is none."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    except (FileNotFoundError, IsADirectoryError):
        return None


def aside(file):
    """Give a file another name, so that one of this name can be written.

    Returns
    -------
    Path
        The new name, such as ``table_1.tex``.
    """
    others = (file.with_name(f"{file.stem}_{k}{file.suffix}")
              for k in range(1, 10**6))
    other = next(other for other in others if not other.exists())
    file.rename(other)
    return other


def make_room(folder, names, known):
    """Where files are written anew, keep what somebody else has written.

    Parameters
    ----------
    folder : Path
    names : iterable of str
    known : dict of {str: str} or None
        From the names that a command has written before to their
        ``content``. None where that was not noted: all are taken for its.
    """
    for file in (folder / name for name in names):
        found = content(file)
        if known is not None and found not in (None, known.get(file.name)):
            note(f"{file} has been edited, or is of something else, and is "
                 f"kept as {aside(file).name}")


def short(name):
    """A name that a file can have: a long one is cut, and stays its own.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        Of at most ``LONGEST`` bytes. What is cut ends with a digest of all.
    """
    name = re.sub(r"[/\\\0]", "-", name)
    data = name.encode()
    if len(data) <= LONGEST:
        return name
    end = "~" + hashlib.sha256(data).hexdigest()[:8]
    return data[:LONGEST - len(end)].decode(errors="ignore") + end
