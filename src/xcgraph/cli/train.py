"""xcgraph-train: fit a recipe, score the test points, print and store the metrics."""

import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig

_log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path="pkg://xcgraph.conf", config_name="train")
def _train(config: DictConfig) -> None:
    import time
    import warnings

    import numba
    import torch

    from xcgraph.metrics.evaluate import evaluate_scores
    from xcgraph.pipeline.artifacts import ArtifactStore
    from xcgraph.pipeline.workspace import Workspace

    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.set_num_threads(config.num_threads)
    numba.set_num_threads(config.num_threads)
    recipe = hydra.utils.instantiate(config.recipe, _convert_="all")
    t = time.time()
    data = hydra.utils.instantiate(config.data).read()
    print("read", time.time() - t)
    work = Workspace.of(
        data,
        ArtifactStore(Path(config.paths.artifacts)),
        seed=config.seed,
        validation_fraction=config.validation_fraction,
        validation_seed=config.validation_seed,
    )
    t = time.time()
    model = recipe.fit(work)
    print("fit", time.time() - t)
    t = time.time()
    for name, split in (("valid", work.valid), ("test", data.test)):
        scores = model.score(split.features)
        print(
            name,
            {
                k: round(100 * v, 2)
                for k, v in evaluate_scores(scores, split, inverse_propensity=work.inverse_propensity).items()
            },
            time.time() - t,
        )


def main() -> None:
    _train()


if __name__ == "__main__":
    main()
