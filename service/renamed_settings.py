"""Old names of settings. They work for one more release, with a warning."""

import os
import warnings

RENAMED = {
    "commit_patience_seconds": "commit_retry_seconds",
    "deaf_seconds": "unresponsive_seconds",
}
"""The new name of each setting that has an old one."""


def renamed_settings() -> dict[str, str]:
    """The settings that the environment gives under their old names, by their new names."""
    found = {}
    for old, new in RENAMED.items():
        value = os.environ.get(f"LTH_{old.upper()}")
        if value is not None:
            warnings.warn(
                f"LTH_{old.upper()} was renamed to LTH_{new.upper()}; the old name works for one "
                "more release",
                FutureWarning,
                stacklevel=2,
            )
            found[new] = value
    return found
