"""Runs a command as `nobody` on behalf of root: PostgreSQL refuses to run as root.

Run as a script: ``python unprivileged.py COMMAND ARGUMENTS...``. Only the standard library.

The command keeps one of root's privileges, to pass through folders that only root may enter
(CAP_DAC_OVERRIDE, as an ambient capability): a clone or a data directory below ``/root`` works
without opening that folder to everyone, which is what is done elsewhere. Where a container forbids
that, the command runs without it, and says itself what it cannot reach.
"""

import ctypes
import os
import pwd
import sys

_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2


def main() -> None:
    """Change the user, then become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    linux = sys.platform == "linux"
    if linux:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    user = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if linux:
        _keep_file_access(libc)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606


def _keep_file_access(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low = 1 << _DAC_OVERRIDE
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(low, low, low, 0, 0, 0)
    if libc.capset(header, effective_permitted_inheritable) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _DAC_OVERRIDE, 0, 0)


if __name__ == "__main__":
    main()
