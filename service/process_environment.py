"""The environment of the service's processes: the variables that they know, and no others.

Variables such as ``XLA_FLAGS`` or ``TF_ENABLE_ONEDNN_OPTS`` change the bytes of results, locale and
time zone change texts, and ``PG*`` leads to another database.
"""

import os
import sys
import time
from collections.abc import Mapping

_PASSED = frozenset(
    {
        *("HOME", "HOSTNAME", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "VIRTUAL_ENV"),
        *("all_proxy", "http_proxy", "https_proxy", "no_proxy"),
        *("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
        *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"),
        *("CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES"),
        *("NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_TF32_OVERRIDE", "NVIDIA_VISIBLE_DEVICES"),
        "LD_LIBRARY_PATH",
        *("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
        *("TF_CPP_MIN_LOG_LEVEL", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS"),
    }
)
_PASSED_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "LTH_", "OTEL_", "PG", "PYTHON", "XDG_")
_FIXED = {"KERAS_BACKEND": "tensorflow", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_CHANGES_RESULTS = ("CUDA_", "CUDNN_", "KERAS_", "NVIDIA_", "TF_", "TPU_", "XLA_")


def known_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a process of the service gets."""
    passed = {
        name: value
        for name, value in environment.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    return passed | _FIXED


def use_known_environment() -> None:
    """Remove the other variables from this process; name those that change results.

    Call it before TensorFlow is imported.
    """
    known = known_environment(os.environ)
    removed = os.environ.keys() - known.keys()
    told = sorted(name for name in removed if name.startswith(_CHANGES_RESULTS))
    if told:
        print(f"ignored, because they change results: {', '.join(told)}", file=sys.stderr)
    for name in removed:
        del os.environ[name]
    os.environ.update(known)
    time.tzset()


def forget_libpq_settings() -> None:
    """Remove variables such as ``PGPORT``, which lead to another server than the stack's own."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
