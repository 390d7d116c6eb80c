"""Portable forms compute what the trained parts compute, and parts without a form are refused by name."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import nn

from xcgraph.data.batching import token_bag
from xcgraph.errors import UserError
from xcgraph.nn.blocks import GatedResidualBlock, NoBlock, ResidualBlock
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.encoder import BagOfTokens, Encoder, ShiftedSumOfTokens, SumOfTokens
from xcgraph.nn.likelihood import Likelihood, Logistic, Softmax
from xcgraph.nn.portable import LINKS, LabelScorer, PointEncoder, checked_encoder, checked_link, to_array

TEXTS = csr_array(np.array([[1, 0, 2, 0], [0, 0, 0, 0], [0, 3, 0, 0.5], [0, 0, 1, 1]], np.float32))
ENCODERS = {
    "sum": partial(SumOfTokens, 4, dim=3),
    "shifted": partial(ShiftedSumOfTokens, 4, dim=3),
    "residual": partial(BagOfTokens, 4, dim=3, block=ResidualBlock),
    "gated": partial(BagOfTokens, 4, dim=3, block=GatedResidualBlock),
    "no block": partial(BagOfTokens, 4, dim=3, block=NoBlock),
    "dual": lambda: DualEncoder(SumOfTokens(4, dim=3)),
}


def make(kind):
    """Build an encoder with parameters away from where they start."""
    torch.manual_seed(0)
    encoder = ENCODERS[kind]()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return encoder.eval()


def encode(form, texts):
    """The formula of the form, written out text by text."""
    found = []
    for text in texts.toarray():
        v = text @ form.embedding
        x = (1 if form.keep is None else form.keep) * v
        x = x + (0 if form.weight is None else form.weight @ v.clip(0))
        x = x + (0 if form.bias is None else form.bias)
        norm = max(float(np.sqrt((x**2).sum())), 1e-12)
        found.append({"identity": x, "relu": x.clip(0), "unit_norm": x / norm}[form.activation])
    return np.array(found)


@pytest.mark.parametrize("kind", ENCODERS)
def test_form_of_an_encoder_computes_its_forward(kind):
    encoder = make(kind)
    form = encoder.portable()

    expected = to_array(encoder(token_bag(TEXTS)))

    np.testing.assert_allclose(encode(form, TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(form.finish(TEXTS @ form.embedding), expected, atol=1e-6)
    assert checked_encoder(form, encoder, encoder) is form


@pytest.mark.parametrize("kind", ["sum", "shifted", "residual"])
def test_form_of_the_embedding_computes_embed(kind):
    encoder = make(kind)
    form = encoder.portable_embedding()
    np.testing.assert_allclose(encode(form, TEXTS), to_array(encoder.embed(token_bag(TEXTS))), atol=1e-6)


def test_parts_that_change_nothing_are_none():
    for kind, expected in (
        ("sum", ()),
        ("shifted", ("bias",)),
        ("residual", ("weight", "bias")),
        ("no block", ()),
    ):
        form = make(kind).portable()
        assert (
            tuple(name for name in ("keep", "weight", "bias") if getattr(form, name) is not None) == expected
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": np.ones(2, np.float32)}, r"keep: expected shape \(3,\), found \(2,\)"),
        ({"weight": np.ones((3, 2), np.float32)}, r"weight: expected shape \(3, 3\), found \(3, 2\)"),
        ({"bias": np.ones(4, np.float32)}, r"bias: expected shape \(3,\), found \(4,\)"),
    ],
    ids=["keep", "weight", "bias"],
)
def test_wrong_shapes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PointEncoder(embedding=np.ones((4, 3), np.float32), **changes)


def test_vectors_of_another_length_are_refused():
    encoder = PointEncoder(embedding=np.ones((4, 3), np.float32))
    with pytest.raises(ValueError, match=r"vectors: expected shape \(5, 3\), found \(5, 2\)"):
        LabelScorer(encoder=encoder, vectors=np.ones((5, 2), np.float32), bias=0.0, link="logistic")


def test_unit_norm_replaces_no_other_activation():
    form = make("residual").portable()
    with pytest.raises(ValueError, match=r"activation.*identity.*relu"):
        form.at_unit_norm()


class PlainBlock(nn.Module):
    """A block without a closed form."""

    def __init__(self, *_):
        super().__init__()

    def forward(self, vectors):
        return vectors.tanh()


class OwnEncoder(Encoder):
    """An encoder without a portable form."""

    dim = 3

    def embed(self, texts):
        return torch.ones(len(texts.offsets) - 1, self.dim)

    def forward(self, texts):
        return self.embed(texts)

    def adopt_embedding(self, trained):
        pass

    def freeze_embedding(self):
        pass


class Doubled(ShiftedSumOfTokens):
    """An encoder that inherits a portable form which is wrong for it."""

    def forward(self, texts):
        return 2 * super().forward(texts)


def test_encoder_without_a_form_is_refused_by_name():
    for form in (OwnEncoder().portable, OwnEncoder().portable_embedding, DualEncoder(OwnEncoder()).portable):
        with pytest.raises(UserError, match=r"OwnEncoder has no portable form.*method.* portable"):
            form()


def test_block_without_a_closed_form_is_refused_by_name():
    with pytest.raises(UserError, match=r"PlainBlock has no portable form.*method folded"):
        BagOfTokens(4, dim=3, block=PlainBlock).portable()


def test_inherited_form_that_is_wrong_is_refused():
    torch.manual_seed(0)
    encoder = Doubled(4, dim=3).eval()
    with pytest.raises(UserError, match=r"Doubled has no portable form.*portable describes another encoder"):
        checked_encoder(encoder.portable(), encoder, encoder)


def test_check_leaves_the_matmul_precision_as_it_was():
    before = torch.get_float32_matmul_precision()
    encoder = make("residual")
    try:
        torch.set_float32_matmul_precision("medium")
        checked_encoder(encoder.portable(), encoder, encoder)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


# --- links ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", [Logistic(), Softmax()], ids=["logistic", "softmax"])
def test_link_of_a_likelihood_gives_its_probabilities(likelihood):
    scores = np.random.default_rng(0).normal(0, 5, (6, 4)).astype(np.float32)
    expected = likelihood.log_probability(torch.from_numpy(scores + np.float32(0.5))).exp()
    np.testing.assert_allclose(LINKS[likelihood.link](scores, 0.5), expected, atol=1e-6)
    assert checked_link(likelihood.link, likelihood.log_probability, likelihood) == likelihood.link


def test_cosine_link_lies_between_zero_and_one():
    found = LINKS["cosine"](np.array([[-1.5, -1, 0, 0.5, 2]], np.float32), 0.0)
    np.testing.assert_allclose(found, [[0, 0, 0.5, 0.75, 1]])


class Cubic(Likelihood):
    """A likelihood whose probabilities no link gives."""

    def loss(self, *_, **__):
        raise NotImplementedError

    def log_probability(self, scores):
        return 3 * torch.nn.functional.logsigmoid(scores)


class WrongLink(Cubic):
    link = "logistic"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Cubic, r"Cubic has no portable form.*attribute link.*logistic, softmax, cosine"),
        (WrongLink, r"WrongLink has no portable form.*link is logistic.*other probabilities"),
    ],
    ids=["no link", "wrong link"],
)
def test_likelihood_without_a_fitting_link_is_refused_by_name(kind, message):
    with pytest.raises(UserError, match=message):
        checked_link(kind.link, kind().log_probability, kind())
