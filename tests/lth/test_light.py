"""The parts of the library that need no TensorFlow do not import it."""

import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "matplotlib", "scipy", "sklearn"}
SCRIPT = """
import sys
import lth, lth.core.field_errors, lth.pruning.masks, lth.pruning.pruned_values
import lth.results.schemas, lth.spec.catalogue, lth.spec.plan
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.timeout(120)
def test_specs_plans_and_masks_need_only_numpy_and_pydantic():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"lth", "numpy", "pydantic"} <= loaded
    assert not HEAVY & loaded
