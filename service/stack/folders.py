"""Folders that only one user may access."""

import os
import stat
from pathlib import Path

from service.stack.errors import StartFailed

PRIVATE = 0o700


def private_folder(path: Path) -> None:
    """Create a folder that only this user may access; close an existing one to other users.

    Raises:
        StartFailed: if the folder cannot be created, belongs to another user, or stays open.
    """
    try:
        path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise StartFailed(
                f"{path} belongs to another user (number {found.st_uid}), who can read it; "
                "change its owner with chown, or choose another directory with --data-dir"
            )
        if stat.S_IMODE(found.st_mode) != PRIVATE:
            path.chmod(PRIVATE)
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise StartFailed(
            f"{path} cannot be used: {error.strerror} ({error.filename}); choose another "
            "directory with --data-dir or LTH_DATA_DIR"
        ) from None
    if mode != PRIVATE:
        raise StartFailed(
            f"other users can access {path} (mode {mode:o}), because the file system has no modes; "
            "choose another directory with --data-dir or LTH_DATA_DIR"
        )


def give(path: Path, owner: int, group: int) -> None:
    """Change the owner of a folder and of everything in it; only root can.

    Links are not followed, and files of other owners are left alone. So the present owner cannot
    make root give away another user's file.
    """
    before = path.stat(follow_symlinks=False).st_uid
    if before == owner:
        return
    os.chown(path, owner, group, follow_symlinks=False)
    for _, folders, files, folder in os.fwalk(path, follow_symlinks=False):
        for name in (*folders, *files):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if found.st_uid == before:
                os.chown(name, owner, group, dir_fd=folder, follow_symlinks=False)
