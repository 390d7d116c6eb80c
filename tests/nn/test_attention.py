import pytest
import torch
from torch.autograd import gradcheck

from xcgraph import row_blocks
from xcgraph.nn.attention import attend

DOUBLE = {"dtype": torch.float64, "requires_grad": True}


@pytest.fixture(params=[8, 1 << 17])
def _blocks(request, monkeypatch):
    """Blocks of two labels, or of all labels."""
    monkeypatch.setattr(row_blocks, "_BLOCK", request.param)


def make_parameters(num_views):
    return torch.randn(num_views, num_views, 4, **DOUBLE), torch.randn(num_views, **DOUBLE)


def naive(views, weight, bias):
    scores = torch.stack([view.relu() for view in views], dim=1).flatten(1) @ weight.flatten(1).T + bias
    shares = torch.softmax(scores, dim=1)
    return torch.einsum("lv,lvd->ld", shares, torch.stack(views, dim=1)), shares


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("num_views", [1, 2, 3])
def test_attention_matches_formula(num_views, random_views):
    views, parameters = random_views(num_views, dtype=torch.float64), make_parameters(num_views)
    torch.testing.assert_close(attend(views, *parameters, dropout=0.0), naive(views, *parameters))


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("num_views", [1, 3])
def test_gradient_matches_finite_differences(num_views, dropout, random_views):
    def fused(weight, bias, *views):
        torch.manual_seed(3)  # the same coordinates are dropped
        return attend(views, weight, bias, dropout=dropout)[0]

    assert gradcheck(fused, (*make_parameters(num_views), *random_views(num_views, **DOUBLE)))


def test_dropout_changes_only_scores_and_keeps_their_mean():
    view, weight = torch.ones(4000, 4), torch.tensor([[[1.0] * 4, [0.0] * 4], [[0.0] * 4] * 2])
    fused, shares = attend((view, view), weight, torch.zeros(2), dropout=0.25)
    torch.testing.assert_close(fused, view)
    scores = (shares[:, 0] / shares[:, 1]).log()  # of four coordinates 4/3 or 0
    assert set((scores * 3 / 4).round(decimals=3).unique().tolist()) <= {0, 1, 2, 3, 4}
    assert scores.mean().item() == pytest.approx(4, abs=0.1)


def test_shares_pass_no_gradient(random_views):
    _, shares = attend(random_views(2, **DOUBLE), *make_parameters(2), dropout=0.0)
    assert not shares.requires_grad


def test_bfloat16_parameters_give_float32_vectors(random_views):
    parameters = (part.detach().bfloat16() for part in make_parameters(2))
    fused, _ = attend(random_views(2), *parameters, dropout=0.0)
    assert fused.dtype == torch.float32
