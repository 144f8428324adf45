"""The user that PostgreSQL runs as when we are root, and its way to the files it needs."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["SystemUser", "program_user"]

USER_NAME: Final = "kehu-postgres"
ACL: Final = "system.posix_acl_access"
NO_ID: Final = 0xFFFFFFFF
SEARCH: Final = 1


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A user that a child process runs as."""

    uid: int
    gid: int

    def arguments(self) -> dict[str, Any]:
        """What `subprocess` is told to run a program as this user, with no other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def program_user(folder: Path, programs: Path) -> SystemUser | None:
    """The user to run PostgreSQL as: None unless we are root, who hands it the folder and a way to it.

    Raises `OSError` when there is no such user and none can be made.
    """
    if os.geteuid() != 0:
        return None
    user = _find_or_make_user()
    if folder.stat().st_uid != user.uid:
        os.chown(folder, user.uid, user.gid)
    for path in {*folder.parents, *programs.parents, programs}:
        _let_search(path, user)
    return user


def _find_or_make_user() -> SystemUser:
    try:
        entry = pwd.getpwnam(USER_NAME)
    except KeyError:
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin") or "useradd"
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--user-group", USER_NAME]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command line.
        # Two runs may make the user at once: the second finds it there.
        if done.returncode not in {0, 9}:
            raise OSError(errno.EPERM, f"the user {USER_NAME} could not be made: {done.stderr.strip()}") from None
        entry = pwd.getpwnam(USER_NAME)
    return SystemUser(entry.pw_uid, entry.pw_gid)


def _let_search(path: Path, user: SystemUser) -> None:
    """Let the user pass through a folder that is closed to it, and only this user where the file system can say so."""
    mode = path.stat().st_mode
    if mode & stat.S_IXOTH or path.stat().st_uid == user.uid:
        return
    try:
        os.setxattr(path, ACL, _search_for(user.uid, mode))
    except OSError:
        path.chmod(mode | stat.S_IXOTH)


def _search_for(uid: int, mode: int) -> bytes:
    """An access control list in the kernel's form: the mode as it is, and search for one user.

    Version 2, then tag, permissions and id of each entry (linux/posix_acl_xattr.h).
    """
    group = mode >> 3 & 7
    entries = [
        (0x01, mode >> 6 & 7, NO_ID),
        (0x02, SEARCH, uid),
        (0x04, group, NO_ID),
        (0x10, group | SEARCH, NO_ID),
        (0x20, mode & 7, NO_ID),
    ]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
