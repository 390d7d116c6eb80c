from itertools import chain

import numba
import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from scipy.sparse import csr_array

from xcgraph.data import loader as loader_module
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.loader import EpochBatches, batch_loader
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError
from xcgraph.sparse import top_k_rows


def epoch_of(batches, epoch):
    batches.set_epoch(epoch)
    return [rows.tolist() for rows in batches]


def make_dataset(points=10):
    """Return points that each have one token, which identifies them."""
    return AllLabelsDataset(
        Split(
            csr_array(np.eye(points, dtype=np.float32)),
            csr_array(np.ones((points, 2), np.float32)),
            NO_PAIRS,
        )
    )


def points_of(loader):
    return [batch.tokens.tokens.tolist() for batch in loader]


@pytest.mark.parametrize("shuffle_seed", [None, 0, 7])
@pytest.mark.parametrize(("num_points", "batch_size"), [(10, 3), (9, 3), (2, 5), (1, 1), (0, 4)])
def test_every_epoch_has_each_point_once(num_points, batch_size, shuffle_seed):
    batches = EpochBatches(num_points, batch_size, shuffle_seed)
    rows = epoch_of(batches, 0)
    assert sorted(chain(*rows)) == list(range(num_points))
    assert len(rows) == len(batches)
    assert all(len(batch) == batch_size for batch in rows[:-1])


def test_no_seed_keeps_the_order():
    batches = EpochBatches(10, 4, None)
    for epoch in range(2):
        assert epoch_of(batches, epoch) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_order_depends_only_on_seed_and_epoch():
    undisturbed = EpochBatches(50, 8, 3)
    orders = [epoch_of(undisturbed, epoch) for epoch in range(4)]
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    assert epoch_of(EpochBatches(50, 8, 3), 2) == orders[2]
    assert epoch_of(undisturbed, 1) == orders[1]
    assert epoch_of(undisturbed, 1) == orders[1]
    others = [epoch_of(EpochBatches(50, 8, 4), epoch) for epoch in range(4)]
    assert len({str(order) for order in orders + others}) == 8


def test_batch_size_does_not_change_the_order():
    small, whole = (epoch_of(EpochBatches(50, batch_size, 3), 1) for batch_size in (8, 50))
    assert [list(chain(*small))] == whole


def test_loader_returns_whole_batches_in_order():
    loader = batch_loader(make_dataset(), batch_size=4)
    assert points_of(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3


def test_loader_returns_the_batches_of_the_sampler():
    loader = batch_loader(make_dataset(), batch_size=4, shuffle_seed=5)
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        assert points_of(loader) == epoch_of(EpochBatches(10, 4, 5), epoch)


class Recorder(LightningModule):
    """Records each epoch's batches and trains nothing."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.seen = []

    def training_step(self, batch):
        self.seen.append((self.current_epoch, batch.tokens.tokens.tolist()))

    def configure_optimizers(self):
        return None


@pytest.mark.filterwarnings("ignore")
def test_lightning_sets_the_epoch_of_the_sampler(tmp_path):
    recorder = Recorder()
    trainer = Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(recorder, batch_loader(make_dataset(), batch_size=4, shuffle_seed=5))
    batches = EpochBatches(10, 4, 5)
    assert recorder.seen == [(epoch, rows) for epoch in range(3) for rows in epoch_of(batches, epoch)]


# --- workers --------------------------------------------------------------------------------------------


def leaves(batch):
    """Return all tensors of a batch."""
    parts = [batch.tokens, batch.labels, batch.filtered, batch.shortlist]
    return [batch.positives, *(tensor for part in parts for tensor in vars(part).values())]


def test_workers_return_equal_batches_after_parallel_kernels(toy):
    dataset = toy.shortlisted(toy.data.train)
    # Start threads in this process. A forked worker does not inherit them.
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    top_k_rows(toy.data.train.features, 2)
    torch.rand(300, 300) @ torch.rand(300, 300)
    loaders = [batch_loader(dataset, batch_size=9, shuffle_seed=3, num_workers=count) for count in (0, 1, 2)]
    for epoch in range(2):
        for loader in loaders:
            loader.sampler.set_epoch(epoch)
        for alone, first, second in zip(*loaders, strict=True):
            for tensor, other, another in zip(*map(leaves, (alone, first, second)), strict=True):
                assert tensor.dtype == other.dtype == another.dtype
                assert torch.equal(tensor, other)
                assert torch.equal(tensor, another)


def test_workers_do_not_change_the_random_state():
    drawn = []
    for num_workers in (0, 2):
        torch.manual_seed(0)
        list(batch_loader(make_dataset(), batch_size=4, num_workers=num_workers))
        drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[1]


# --- process groups -------------------------------------------------------------------------------------


def shares_of(batches, num_processes, monkeypatch, *, epoch=0):
    """Return the batches of each process of a group."""
    shares = []
    for rank in range(num_processes):
        monkeypatch.setattr(loader_module, "process_place", lambda rank=rank: (rank, num_processes))
        shares.append(epoch_of(batches, epoch))
        assert len(batches) == len(shares[-1])
    monkeypatch.undo()
    return shares


@pytest.mark.parametrize("shuffle_seed", [None, 5])
@pytest.mark.parametrize("num_processes", [1, 2, 3, 7])
@pytest.mark.parametrize(("num_points", "batch_size"), [(24, 8), (25, 8), (23, 8), (19, 7), (7, 9), (0, 8)])
def test_shares_are_disjoint_complete_and_of_equal_length(
    num_points, batch_size, num_processes, shuffle_seed, monkeypatch
):
    batches = EpochBatches(num_points, batch_size, shuffle_seed)
    shares = shares_of(batches, num_processes, monkeypatch, epoch=2)
    assert sorted(chain(*chain(*shares))) == list(range(num_points))
    assert len({len(share) for share in shares}) == 1
    for step in zip(*shares, strict=True):
        sizes = [len(batch) for batch in step]
        assert min(sizes) >= 1
        assert max(sizes) <= min(sizes) + 1
        assert sum(sizes) < batch_size + num_processes
    # Joined step by step, and process by process within a step, the shares are the order of the epoch.
    together = list(chain(*chain(*zip(*shares, strict=True))))
    assert together == list(chain(*epoch_of(EpochBatches(num_points, batch_size, shuffle_seed), 2)))


def test_two_processes_share_the_steps_of_one(monkeypatch):
    batches = EpochBatches(22, 8, 1)
    shares = shares_of(batches, 2, monkeypatch, epoch=1)
    steps = [list(chain(*step)) for step in zip(*shares, strict=True)]
    assert steps == epoch_of(batches, 1)
    assert [batches.step_size(number) for number in range(3)] == [len(step) for step in steps] == [8, 8, 6]


def test_last_step_with_too_few_points_joins_the_previous_step(monkeypatch):
    batches = EpochBatches(17, 8, None)
    shares = shares_of(batches, 2, monkeypatch)
    assert [[len(batch) for batch in share] for share in shares] == [[4, 4], [4, 5]]


def test_unshared_steps_are_whole_in_every_process(monkeypatch):
    batches = EpochBatches(9, 4, None, shared=False)
    assert shares_of(batches, 2, monkeypatch) == [[[0, 1, 2, 3], [4, 5, 6, 7], [8]]] * 2


@pytest.mark.parametrize(("num_points", "batch_size"), [(2, 4), (4, 2)])
def test_more_processes_than_points_per_step_is_refused(num_points, batch_size, monkeypatch):
    with pytest.raises(UserError, match=r"batch_size: .* 3 processes, found 2 of \d points"):
        shares_of(EpochBatches(num_points, batch_size, None), 3, monkeypatch)
