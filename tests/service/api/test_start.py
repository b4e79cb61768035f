"""The API starts without TensorFlow."""

import subprocess
import sys

PRINT_HEAVY_MODULES = """
import sys
from service.api.app import create
create().openapi()
heavy = {"tensorflow", "keras", "sklearn", "matplotlib", "arro3", "PIL", "worker"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_the_api_imports_neither_tensorflow_nor_the_worker():
    command = [sys.executable, "-c", PRINT_HEAVY_MODULES]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
