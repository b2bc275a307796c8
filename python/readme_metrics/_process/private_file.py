"""`open_private`: opens a file for logs that only this user can read, even if another user made it beforehand."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class NotPrivate(OSError):
    """The file must not be used; the message says why."""


def open_private(path: str | os.PathLike[str]) -> int:
    """Opens `path` for appending, creates the file if it is missing, and returns its descriptor.

    A file that others may read gets mode 0600 before anything is written. A symbolic link is not followed: in a
    directory that others can write to, they could have put it there.

    Raises:
        NotPrivate: The file is a link, is not a regular file, or belongs to another user.
        OSError: The file cannot be opened.
    """
    # Non-blocking, since opening a FIFO would otherwise wait for a reader.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if Path(path).is_symlink():  # Windows has no O_NOFOLLOW
        raise NotPrivate(f"{os.fspath(path)} is a symbolic link")
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotPrivate(f"{os.fspath(path)} is not a regular file")
        if status.st_nlink != 1:
            raise NotPrivate(f"{os.fspath(path)} has a second name")
        if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
            raise NotPrivate(f"{os.fspath(path)} belongs to another user")
        if status.st_mode & 0o077 and hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
