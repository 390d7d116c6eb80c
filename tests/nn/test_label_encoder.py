"""The label encoder computes its formulas, for all labels, for some labels and in blocks."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import nn

from xcgraph.data.batching import label_sets
from xcgraph.nn import label_encoder
from xcgraph.nn.blocks import ResidualBlock
from xcgraph.nn.fusion import AttentionFusion, MeanFusion, OnlyView
from xcgraph.nn.label_encoder import LabelEncoder, MemberSums, MetaLabelEncoder
from xcgraph.nn.label_text import FrozenLabelText
from xcgraph.nn.refinement import NoRefinement, RefinementVectors

# Meta-label 1 has no members.
MEMBERS = csr_array(np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]], np.float32))
IDS = torch.tensor([3, 0, 3])
META_IDS = torch.tensor([2, 0])


def make_views(seed=0, views=3):
    """The raw views of 4 labels, of length 3."""
    return torch.randn(4, views, 3, generator=torch.Generator().manual_seed(seed)).unbind(1)


def perturb(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def make_encoder(seed=0, *, hops=(0, 1), refined=True, fusion=AttentionFusion, members=None):
    torch.manual_seed(seed)
    blocks = {hop: ResidualBlock(3, 0.2) for hop in hops}
    count = 4 if members is None else members.shape[0]
    refinement = (RefinementVectors if refined else NoRefinement)(torch.randn(count, 3))
    text, num_views = FrozenLabelText(make_views()), len(hops) + refined
    parts = {"refinement": refinement, "fusion": fusion(3, num_views)}
    if members is None:
        return perturb(LabelEncoder(text, blocks, **parts))
    return perturb(MetaLabelEncoder(text, blocks, members=MemberSums(label_sets(members)), **parts))


@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("fusion", [AttentionFusion, MeanFusion])
def test_vectors_fuse_block_outputs_and_refinement(refined, fusion):
    encoder, raw = make_encoder(refined=refined, fusion=fusion).eval(), make_views()
    views = (encoder.blocks[0](raw[0]), encoder.blocks[1](raw[1]), *encoder.refinement())
    expected = encoder.fusion(views)
    torch.testing.assert_close(encoder(), expected)
    torch.testing.assert_close(encoder(IDS), expected[IDS])
    assert not torch.allclose(encoder.blocks[0](raw[0]), encoder.blocks[1](raw[0]))


@pytest.mark.parametrize("hops", [(1,), (0,), (0, 2), ()])
def test_text_views_belong_to_the_chosen_hops(hops):
    encoder, raw = make_encoder(hops=hops).eval(), make_views()
    expected = tuple(block(raw[hop]) for hop, block in zip(hops, encoder.blocks, strict=True))
    torch.testing.assert_close(encoder.text_views(), expected)
    torch.testing.assert_close(encoder.text_views(IDS), tuple(view[IDS] for view in expected))


def test_refinement_alone_is_the_vector():
    encoder = make_encoder(hops=(), fusion=lambda *_: OnlyView()).eval()
    assert torch.equal(encoder(IDS), *encoder.refinement(IDS))


def test_view_shares_are_the_attention_weights_by_name():
    encoder = make_encoder(hops=(0, 1, 2)).eval()
    shares = encoder.view_shares(IDS)
    assert list(shares) == ["text", "graph", "graph, 2 hops", "refinement"]
    expected = encoder.fusion.weights((*encoder.text_views(IDS), *encoder.refinement(IDS)))
    torch.testing.assert_close(torch.stack(list(shares.values()), dim=1), expected)
    assert not any(share.requires_grad for share in shares.values())


def test_view_shares_without_own_text_or_refinement_keep_their_names():
    assert list(make_encoder(hops=(1, 2), refined=False).view_shares()) == ["graph", "graph, 2 hops"]


def test_view_shares_of_two_refinement_vectors_have_two_names():
    encoder = make_encoder(hops=(0,), fusion=lambda *_: AttentionFusion(3, 3))
    one = encoder.refinement
    encoder.refinement = Twice(one)
    assert list(encoder.view_shares()) == ["text", "refinement", "refinement 2"]


class Twice(nn.Module):
    """Give each refinement view twice."""

    def __init__(self, refinement):
        super().__init__()
        self.refinement = refinement

    def forward(self, label_ids=None):
        return self.refinement(label_ids) * 2


def test_fusion_without_weights_has_no_view_shares():
    assert make_encoder(fusion=MeanFusion).view_shares() == {}


@pytest.mark.parametrize("hops", [(0, 1), (0,)])
def test_meta_labels_sum_the_views_of_their_members(hops):
    labels = make_encoder(hops=hops).eval()
    metas = make_encoder(hops=hops, members=MEMBERS).eval()
    metas.blocks.load_state_dict(labels.blocks.state_dict())
    expected = tuple(torch.from_numpy(MEMBERS.toarray()) @ view for view in labels.text_views())
    torch.testing.assert_close(metas.text_views(), expected)
    torch.testing.assert_close(metas.text_views(META_IDS), tuple(view[META_IDS] for view in expected))
    vectors = metas.fusion((*expected, *metas.refinement()))
    torch.testing.assert_close(metas(META_IDS), vectors[META_IDS])
    assert list(metas.view_shares()) == [*(("text", "graph")[hop] for hop in hops), "refinement"]


def test_members_train_the_blocks_as_a_dense_product_does():
    weights, gradients = torch.randn(3, 2, 3), []
    for summed in (True, False):
        encoder = make_encoder(members=MEMBERS).eval()
        views = encoder.text_views()
        if not summed:
            dense = torch.from_numpy(MEMBERS.toarray())
            views = tuple(dense @ view for view in LabelEncoder.text_views(encoder))
        (torch.stack(views, dim=1).sin() * weights).sum().backward()
        gradients.append([parameter.grad for parameter in encoder.blocks.parameters()])
    torch.testing.assert_close(*gradients)


def test_state_holds_learned_parameters_only():
    for encoder in (make_encoder(), make_encoder(members=MEMBERS)):
        names = {name.partition(".")[0] for name in encoder.state_dict()}
        assert names == {"blocks", "fusion", "refinement"}


@pytest.mark.parametrize(
    ("changes", "label_ids"),
    [({}, IDS), ({"hops": (0,)}, IDS), ({"refined": False}, IDS), ({"members": MEMBERS}, META_IDS)],
    ids=["two hops", "text only", "no refinement", "meta-labels"],
)
def test_survives_copies(assert_survives, changes, label_ids):
    assert_survives(make_encoder(0, **changes), make_encoder(1, **changes), label_ids)


def test_large_requests_are_split_into_blocks(monkeypatch):
    monkeypatch.setattr(label_encoder, "_LABELS_AT_A_TIME", 1)
    encoder, requested = make_encoder().eval(), []
    expected, text_views = encoder(), encoder.text_views
    monkeypatch.setattr(encoder, "text_views", lambda ids: requested.append(len(ids)) or text_views(ids))
    many = torch.tensor([0, 1, 2, 3, 0])

    torch.testing.assert_close(encoder(many), expected[many])
    torch.testing.assert_close(encoder(many[:4]), expected[:4])
    assert requested == [1] * 5 + [4]
