"""File descriptors of a process: how many it may have open."""

import resource

_ENOUGH = 65_536
"""More are not asked for: some libraries loop over all possible descriptors."""


def raise_limit() -> int:
    """Raise the soft limit on open files to the hard one, within reason.

    Returns:
        The soft limit afterwards.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """How many files this process may have open at once; `_ENOUGH` if that is not limited."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft
