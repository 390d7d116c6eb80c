"""A data set that a user might add: one file, and one YAML beside it."""

import numpy as np
from scipy.sparse import csr_array

from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import Split, XCData
from xcgraph.sparse import binary_rows

NUM_LABELS = 40


class Toy(XCDataModule):
    """Points name their labels: token l stands for label l, and labels come in pairs."""

    def read(self) -> XCData:
        """Make the data set."""
        data = XCData(
            name=self.name,
            train=_split(300, seed=0),
            test=_split(80, seed=1),
            label_features=binary_rows([[label] for label in range(NUM_LABELS)], NUM_LABELS),
            label_names=tuple(f"label {label}" for label in range(NUM_LABELS)),
        )
        self.check_statistics(data, "toy_data.py")
        return data


def _split(num_points: int, *, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = [sorted({label, label ^ 1}) for label in rng.integers(0, NUM_LABELS, num_points).tolist()]
    tokens = [
        sorted({*pair, int(noise)})
        for pair, noise in zip(labels, rng.integers(0, NUM_LABELS, num_points), strict=True)
    ]
    pairs = np.array([(point, (pair[0] + 2) % NUM_LABELS) for point, pair in enumerate(labels)], np.int64)
    features: csr_array = binary_rows(tokens, NUM_LABELS)
    return Split(features, binary_rows(labels, NUM_LABELS), pairs)
