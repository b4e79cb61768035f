"""Training: compiled programs, Keras layers with masks, and the device."""

import os

_BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
if _BACKEND != "tensorflow":
    raise ImportError(
        f"KERAS_BACKEND is '{_BACKEND}', but lth trains with TensorFlow: unset it, or set it to "
        "'tensorflow', and start Python again"
    )
