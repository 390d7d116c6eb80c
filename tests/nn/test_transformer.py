import pytest
import torch

from xcgraph.data.batching import token_bag
from xcgraph.errors import UserError
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.transformer import TransformerEncoder
from xcgraph.text.token_ids import TokenIdVectorizer

TEXTS = ["w7 w1 w7 w3", "w5", "", "w1 w2 w3 w4 w5 w6 w8 w9"]


@pytest.fixture
def texts(tiny_model):
    return TokenIdVectorizer(model=tiny_model, max_length=8).fit_transform(TEXTS, [], label_texts=[]).train


@pytest.fixture
def encoder(tiny_model):
    return TransformerEncoder(8, model=tiny_model).eval()


def one_by_one(tiny_model, pool):
    """Encode each text alone with the model's own tokenizer, without padding."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(tiny_model), AutoModel.from_pretrained(tiny_model).eval()
    with torch.no_grad():
        return torch.stack(
            [
                pool(
                    model(
                        **tokenizer(text, truncation=True, max_length=8, return_tensors="pt")
                    ).last_hidden_state[0]
                )
                for text in TEXTS
            ]
        )


@pytest.mark.parametrize(
    ("pooling", "pool"), [("mean", lambda states: states.mean(dim=0)), ("cls", lambda states: states[0])]
)
def test_vectors_match_the_model_itself(tiny_model, texts, pooling, pool):
    encoder = TransformerEncoder(8, model=tiny_model, pooling=pooling).eval()
    assert encoder.dim == 16
    with torch.no_grad():
        found = encoder.embed(token_bag(texts))
    torch.testing.assert_close(found, one_by_one(tiny_model, pool), rtol=1e-4, atol=1e-5)


def test_order_of_words_matters(tiny_model, encoder):
    rows = TokenIdVectorizer(model=tiny_model).fit_transform(["w1 w2", "w2 w1"], [], label_texts=[]).train
    with torch.no_grad():
        first, second = encoder.embed(token_bag(rows))
    assert not torch.allclose(first, second, atol=1e-3)


def test_text_without_tokens_has_a_finite_vector(texts, encoder):
    empty = texts.copy()
    empty.data[:] = 0
    empty.eliminate_zeros()
    assert torch.isfinite(encoder.embed(token_bag(empty))).all()
    assert encoder.embed(token_bag(texts[:0])).shape == (0, 16)


def test_dropout_acts_on_points_in_training_only(texts, encoder):
    assert torch.equal(encoder(token_bag(texts)), encoder.embed(token_bag(texts)))
    encoder.dropout.train()
    assert (encoder(token_bag(texts)) == 0).any()


def test_model_has_gradients_until_it_is_frozen(texts, encoder):
    encoder.embed(token_bag(texts)).sum().backward()
    assert encoder.model.embeddings.word_embeddings.weight.grad.any()
    encoder.freeze_embedding()
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_adopted_model_is_a_copy(tiny_model, texts, encoder):
    trained = TransformerEncoder(8, model=tiny_model).eval()
    with torch.no_grad():
        trained.model.embeddings.word_embeddings.weight.mul_(2)
    encoder.adopt_embedding(trained)
    torch.testing.assert_close(encoder.embed(token_bag(texts)), trained.embed(token_bag(texts)))
    with pytest.raises(TypeError, match="Expected a TransformerEncoder, got a BagOfTokens"):
        encoder.adopt_embedding(BagOfTokens(6, dim=16))


def test_invalid_values_are_refused(tiny_model, tmp_path):
    for changes, message in (
        ({"pooling": "max"}, r"encoder\.pooling: expected mean or cls, got max"),
        ({"dropout": 1.5}, r"must lie in \[0, 1\), got 1\.5"),
        ({"model": str(tmp_path)}, r"encoder\.model: expected the folder or the name"),
    ):
        with pytest.raises(UserError, match=message):
            TransformerEncoder(8, **{"model": tiny_model, **changes})
    with pytest.raises(UserError, match="reads texts of at most 24 tokens, got 25: choose text=token_ids"):
        TransformerEncoder(25, model=tiny_model)
