"""Console scripts: the only modules that know Hydra."""

import os

# OpenMP's threads spin while they wait for each other: by default for so long that two programs side by side
# on the same cores stand nearly still. So little is as fast alone, and lets go of a core that another could
# use (benchmarks/RESULTS.md). The library reads it when torch loads it, hence here, before all else.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
