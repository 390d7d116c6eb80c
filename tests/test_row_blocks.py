import pytest
import torch

from xcgraph import row_blocks


@pytest.mark.parametrize(
    ("count", "width", "sizes"), [(7, 4, [2, 2, 2, 1]), (2, 100, [1, 1]), (3, 0, [3]), (0, 4, [])]
)
def test_blocks_cover_all_rows_in_order(monkeypatch, count, width, sizes):
    monkeypatch.setattr(row_blocks, "_BLOCK", 8)
    rows = torch.arange(count)
    blocks = [rows[block] for block in row_blocks.row_blocks(count, width, rows)]
    assert [len(block) for block in blocks] == sizes
    assert torch.equal(torch.cat([*blocks, rows[:0]]), rows)


def test_blocks_are_larger_on_an_accelerator():
    count, width = 10**6, 1000
    on_cpu, elsewhere = (
        list(row_blocks.row_blocks(count, width, torch.empty(0, device=device))) for device in ("cpu", "meta")
    )
    assert len(on_cpu) > 100 * len(elsewhere)
    assert on_cpu[-1].stop == elsewhere[-1].stop == count


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (8192, [4096, 4096]),
        (7000, [4096, 2048, 512, 256, 88]),
        (4096 + 300, [4096, 256, 44]),
        (9, [9]),
        (0, []),
    ],
)
def test_block_sizes_recur_except_for_few_rows(count, sizes):
    assert row_blocks.bucket_sizes(count, 4096) == sizes
