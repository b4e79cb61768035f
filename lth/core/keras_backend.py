"""The backend of Keras, which must be TensorFlow. This module does not import Keras."""

import json
import os
import sys
from pathlib import Path

_WANTED = "tensorflow"


def check_backend() -> None:
    """Refuse another backend; call it before Keras is imported.

    Raises:
        ImportError: if the environment, ``keras.json`` or the program chose another backend.
    """
    found, source = _chosen()
    if found != _WANTED:
        raise ImportError(
            f"{source} sets the backend of Keras to '{found}', but lth trains with TensorFlow: set "
            "KERAS_BACKEND=tensorflow, and start Python again"
        )


def _chosen() -> tuple[str, str]:
    """The backend that Keras has or will have, and what chose it."""
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "backend"):
        return keras.backend.backend(), "this program"
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"] or _WANTED, "KERAS_BACKEND"
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    file = Path(home) / "keras.json"
    try:
        settings = json.loads(file.read_text())
    except (OSError, ValueError):
        return _WANTED, "nothing"
    named = settings.get("backend", _WANTED) if isinstance(settings, dict) else _WANTED
    return str(named), str(file)
