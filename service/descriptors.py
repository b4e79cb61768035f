"""The limit of open files of a process."""

import resource

_ENOUGH = 65_536
"""A higher limit is not requested, because some libraries loop over all possible descriptors."""


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard limit, up to 65,536.

    Returns:
        The soft limit afterwards.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """How many files this process may open; `_ENOUGH` if it is unlimited."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft
