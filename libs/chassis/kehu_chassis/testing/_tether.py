"""Start a program that dies with its parent: `python -I -S _tether.py PARENT SIGNAL UID GID PROGRAM ARGUMENT…`.

The kernel sends the signal when the parent ends, however it ends. It forgets the wish when the user changes, so the
user is changed first; -1 keeps it. This is a program of its own so that nothing of ours runs between fork and exec.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, signal_number, uid, gid = (int(argument) for argument in sys.argv[1:5])
    if uid != -1:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    # The parent may have ended before the wish was made.
    if os.getppid() == parent:
        os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 - the program is given by our own server classes.
