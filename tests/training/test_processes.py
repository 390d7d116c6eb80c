"""Processes that run one recipe together: the first one builds artifacts, and all load them."""

import multiprocessing
import os
import socket
import traceback
from functools import partial

import pytest
import torch
from pytorch_lightning import Trainer
from torch import distributed

from xcgraph.errors import UserError
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.training.processes import JoinedStore, Processes

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # Lightning's


def fork(job, count=2):
    """Run ``job(rank)`` in one process per rank; return the results or errors."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()

    def target(rank):
        try:
            results.put((rank, job(rank)))
        except UserError as error:
            results.put((rank, error))
        except BaseException:
            results.put((rank, traceback.format_exc()))

    processes = [context.Process(target=target, args=(rank,)) for rank in range(count)]
    for process in processes:
        process.start()
    found = dict(results.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()
    return [found[rank] for rank in range(count)]


# --- artifacts ------------------------------------------------------------------------------------------


def with_store(folder, job):
    """Run ``job(store, rank)`` in two processes that share a store."""

    def joined(rank):
        place = f"file://{folder}/meeting"
        distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=2)
        return job(JoinedStore(folder / "store", distributed.group.WORLD), rank)

    return fork(joined)


def test_first_process_builds_artifacts_and_the_others_load_them(tmp_path):
    def job(store, rank):
        def build(folder):
            (folder / f"built by {rank}").touch()

        artifacts = [store.make(name, {"n": 1}, build) for name in ("one", "two", "one")]
        assert list(store.used.values()) == [artifacts[0], artifacts[1]]
        names = [sorted(path.name for path in artifact.folder.iterdir()) for artifact in artifacts]
        return names, [artifact.key for artifact in artifacts], [artifact.made for artifact in artifacts]

    (names, keys, made), (others_names, others_keys, others_made) = with_store(tmp_path, job)
    assert names == others_names == [["built by 0", "manifest.json"]] * 3
    assert keys == others_keys
    assert (made, others_made) == ([True, True, False], [False] * 3)


def test_all_processes_take_part_in_make_together(tmp_path):
    def job(store, rank):
        def build(folder):
            places.append(folder)
            distributed.barrier()
            if rank == 0:
                (folder / "made").touch()

        places = []
        artifacts = [store.make_together("training", {"n": n}, build) for n in (1, 2, 1)]
        assert all(artifact.path("made").exists() for artifact in artifacts)
        return places

    places, others = with_store(tmp_path, job)
    assert places == others
    assert len(places) == 2
    assert {path.suffix for path in places} == {".partial"}


def test_other_processes_report_that_the_first_has_ended(tmp_path):
    def job(store, rank):  # noqa: ARG001
        def build(folder):
            raise UserError(f"Cannot build in {folder.name[:5]}.")

        store.make("thing", {}, build)

    first, other = map(str, with_store(tmp_path, job))
    assert first == "Cannot build in thing."
    assert other == "Another process of this run has ended; see its own error message."


# --- processes ------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_processes_join_and_leave_a_group(tmp_path):
    """tests/cli/test_train_processes.py tests whole runs: numba's threads do not survive a fork."""
    port = str(free_port())

    def job(rank):
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, LOCAL_RANK=str(rank))
        torch.set_num_threads(3)
        processes = Processes(partial(Trainer, accelerator="cpu", devices=2, strategy="ddp"))
        with processes.join(tmp_path / "store") as store:
            store.make("thing", {}, lambda folder: (folder / f"built by {rank}").touch())
            assert distributed.get_world_size() == 2
        assert not distributed.is_initialized()
        return processes.are_many, processes.is_first, torch.get_num_threads()

    assert fork(job) == [(True, True, 3), (True, False, 3)]
    assert len(list(tmp_path.glob("store/thing-*/built by 0"))) == 1


def test_single_process_has_an_ordinary_store(tmp_path):
    with Processes(None).join(tmp_path) as store:
        assert type(store) is ArtifactStore


@pytest.mark.parametrize(
    ("changes", "are_many", "is_first"),
    [
        ({"devices": 1}, False, True),
        ({"devices": 2, "strategy": "ddp_spawn"}, False, True),
        ({"devices": 2, "strategy": "ddp"}, True, True),
        ({"devices": 1, "num_nodes": 2, "strategy": "ddp"}, True, True),
    ],
)
def test_strategy_decides_whether_there_are_other_processes(changes, are_many, is_first):
    found = Processes(partial(Trainer, accelerator="cpu", **changes))
    assert (found.are_many, found.is_first) == (are_many, is_first)


def test_process_of_another_node_is_not_the_first(monkeypatch):
    for name, value in {"LOCAL_RANK": "0", "NODE_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert not Processes(partial(Trainer, accelerator="cpu", devices=1, num_nodes=2, strategy="ddp")).is_first


def test_value_that_the_trainer_refuses_is_a_user_error():
    with pytest.raises(UserError, match=r"abacus"):
        Processes(partial(Trainer, accelerator="abacus"))
