import warnings
from functools import partial

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from xcgraph.batch import XCBatch
from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.holdout import hold_out_rows
from xcgraph.errors import UserError
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.optim import LinearSchedule, SparseDenseAdam
from xcgraph.tasks.task import Learning


class InMemory(XCDataModule):
    """Serves a data set from memory and counts how often it is read."""

    def __init__(self, data):
        super().__init__(name="toy", propensity_a=0.55, propensity_b=1.5)
        self.source = data
        self.reads = 0

    def read(self):
        self.reads += 1
        return self.source


@pytest.fixture
def module(toy):
    return InMemory(toy.data)


def labels_of(loader):
    """Join the label sets of all batches, one sorted tuple per point."""
    return [
        tuple(ids.tolist())
        for batch in loader
        for ids in batch.labels.ids.split(batch.labels.offsets.diff().tolist())
    ]


def rows_of(split):
    return [tuple(row.indices.tolist()) for row in (split.labels[[i]] for i in range(len(split)))]


def test_loaders_serve_every_point_of_its_split_once(module, toy):
    module.setup("fit")
    learned, held = hold_out_rows(len(toy.data.train), 0.05, 0)

    assert sorted(labels_of(module.train_dataloader())) == sorted(rows_of(toy.data.train.take(learned)))
    assert labels_of(module.val_dataloader()) == rows_of(toy.data.train.take(held))
    assert labels_of(module.test_dataloader()) == rows_of(toy.data.test)
    assert module.reads == 1


def test_attributes_set_batch_size_and_validation_points(module, toy):
    module.batch_size, module.validation_fraction, module.validation_seed = 32, 0.25, 3
    module.setup()
    batches = list(module.val_dataloader())
    held = hold_out_rows(len(toy.data.train), 0.25, 3)[1]

    assert all(isinstance(batch, XCBatch) for batch in batches)
    assert [len(batch) for batch in batches] == [32, 18]
    assert labels_of(batches) == rows_of(toy.data.train.take(held))


def test_training_points_are_shuffled_by_seed_and_epoch(module):
    module.setup()
    order = labels_of(module.train_dataloader())

    def order_of(epoch, seed):
        module.shuffle_seed = seed
        loader = module.train_dataloader()
        loader.sampler.set_epoch(epoch)
        return labels_of(loader)

    assert order_of(0, 0) == order
    assert order_of(1, 0) != order
    assert order_of(0, 1) != order
    assert sorted(order_of(1, 1)) == sorted(order)


def test_loaders_set_up_the_module_if_lightning_has_not(module, toy):
    assert labels_of(module.test_dataloader()) == rows_of(toy.data.test)


def test_data_is_read_once(module, toy):
    assert module.data is toy.data
    module.setup("fit")
    module.setup("test")

    assert module.reads == 1


def test_loader_attributes_belong_to_no_instance(module):
    """Artifact keys and configs see constructor arguments, which the loaders must not change."""
    shared = {"batch_size", "num_workers", "shuffle_seed", "validation_fraction", "validation_seed"}

    assert not shared & vars(module).keys()
    assert shared <= vars(XCDataModule).keys()


@pytest.mark.parametrize(
    ("attribute", "value"), [("batch_size", 0), ("validation_fraction", 1.5), ("validation_fraction", 0.0)]
)
def test_invalid_attribute_is_refused_by_name(module, attribute, value):
    setattr(module, attribute, value)
    with pytest.raises(UserError, match=f"{attribute}.*{value}"):
        module.train_dataloader()


@pytest.mark.usefixtures("one_thread")
def test_lightning_trains_a_task_on_a_data_module(module, toy, tmp_path):
    module.batch_size, module.validation_fraction = 16, 0.2
    task = toy.tied_task(seed=0)
    optimizer = partial(SparseDenseAdam, lr=0.03)
    task.prepare(Learning(optimizer, LinearSchedule(), 12, 0), XCMetrics(module.data.num_labels, 1))
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=12,
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers
        before = trainer.validate(task, datamodule=module, verbose=False)[0]["val/P@1"]
        trainer.fit(task, datamodule=module)
        after = dict(trainer.callback_metrics)  # predict clears them
        ranked = trainer.predict(task, dataloaders=module.test_dataloader())

    assert trainer.global_step == 12 * 10
    assert after["val/P@1"] > before
    assert torch.cat([labels for labels, _ in ranked]).shape == (len(toy.data.test), 40)
    assert np.isfinite(float(after["train/loss"]))
    assert module.reads == 1
