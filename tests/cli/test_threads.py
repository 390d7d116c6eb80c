"""Programs side by side on the same cores: threads that wait let go of them."""

import os
import subprocess
import sys

import pytest

SAY = "import os, xcgraph.cli; print(os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_threads_spin_for_a_short_time_unless_the_user_says_how_long(given, found):
    others = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    done = subprocess.run(
        [sys.executable, "-c", SAY], env={**others, **given}, capture_output=True, text=True
    )
    assert done.stdout.strip() == found


def test_torch_is_not_loaded_before():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, xcgraph.cli; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "False"
