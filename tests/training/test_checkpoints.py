from pathlib import Path

import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.training.checkpoints import AtomicCheckpointIO, load_tensors, save_tensors


def make_state(value):
    return {
        "weights": torch.full((3, 2), value),
        "epoch": 2,
        "rows": [{"loss": 0.5}],
        "name": "é",
        "none": None,
    }


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_state_round_trips(tmp_path):
    save_tensors(tmp_path / "below" / "state.ckpt", make_state(0.25))
    found = load_tensors(tmp_path / "below" / "state.ckpt")
    expected = make_state(0.25)
    assert torch.equal(found.pop("weights"), expected.pop("weights"))
    assert found == expected
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["state.ckpt"]


def test_checkpoint_io_round_trips(tmp_path):
    io = AtomicCheckpointIO()
    io.save_checkpoint(make_state(0.5), tmp_path / "state.ckpt", storage_options=None)
    found = io.load_checkpoint(str(tmp_path / "state.ckpt"), map_location=lambda storage, _: storage)
    assert torch.equal(found["weights"], make_state(0.5)["weights"])
    io.remove_checkpoint(tmp_path / "state.ckpt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["in the middle", "before the rename"])
def test_failed_write_keeps_the_old_checkpoint(tmp_path, monkeypatch, moment):
    path, io = tmp_path / "last.ckpt", AtomicCheckpointIO()
    io.save_checkpoint(make_state(1.0), path)

    def write_half(_, file):
        file.write(b"half of it")
        raise OSError("disk full")

    def refuse(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        if moment == "in the middle":
            patch.setattr(torch, "save", write_half)
        else:
            patch.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="disk full"):
            io.save_checkpoint(make_state(2.0), path)
    assert torch.equal(io.load_checkpoint(path)["weights"], make_state(1.0)["weights"])
    io.save_checkpoint(make_state(3.0), path)
    assert torch.equal(io.load_checkpoint(path)["weights"], make_state(3.0)["weights"])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "load", [load_tensors, lambda path: AtomicCheckpointIO().load_checkpoint(path, weights_only=False)]
)
def test_pickled_objects_are_not_loaded(tmp_path, load):
    path, harm = tmp_path / "planted.ckpt", tmp_path / "harm"
    torch.save({"state": Bomb(harm)}, path)
    with pytest.raises(UserError, match=r"found another file \(Weights only load failed"):
        load(path)
    assert not harm.exists()
    torch.load(path, weights_only=False)  # unpickling would create the file
    assert harm.exists()


def test_truncated_checkpoint_is_refused(tmp_path):
    save_tensors(tmp_path / "state.ckpt", make_state(0.5))
    content = (tmp_path / "state.ckpt").read_bytes()
    (tmp_path / "state.ckpt").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"found another file .*zip archive"):
        load_tensors(tmp_path / "state.ckpt")
