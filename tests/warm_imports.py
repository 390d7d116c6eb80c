"""The imports and first calls that console scripts share; the warm interpreter makes them once.

No call here may start a thread, because threads do not survive a fork.
"""

import importlib

import numba

from xcgraph.runs.provenance import code_digest

for _module in ("torch._dynamo", *(f"xcgraph.cli.{job}" for job in ("train_job", "evaluate_job", "report"))):
    importlib.import_module(_module)
numba.njit(lambda: 0)()
code_digest()
