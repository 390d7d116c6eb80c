"""A saved model loads unchanged, and damaged or forged folders are refused with one sentence."""

import builtins
import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.errors import UserError
from xcgraph.predict.engine import Engine
from xcgraph.predict.folder import load_model, save_model
from xcgraph.predict.model import PortableModel
from xcgraph.predict.tensors import TensorWriter
from xcgraph.storage.artifacts import checksum
from xcgraph.text.vectorizer import WordVectorizer
from xcgraph.text.wordpiece import WordPieceVectorizer

from .conftest import KINDS


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(trained("three_trees")[1], folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def forge(folder, change):
    """Change the files of a model and update its checksums, as an attacker could."""
    manifest = json.loads((folder / "model.json").read_text())
    change(manifest, folder)
    manifest["files"] = {name: checksum(folder / name) for name in manifest["files"]}
    (folder / "model.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_model_gives_equal_scores(kind, trained, toy, tmp_path):
    _, model = trained(kind)
    save_model(model, tmp_path / "deep" / "model")

    loaded = load_model(tmp_path / "deep" / "model")

    features = toy.data.test.features
    before, after = (Engine(each).top(features, 5) for each in (model, loaded))
    np.testing.assert_array_equal(before.labels, after.labels)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert [tree.views for tree in loaded.trees] == [tree.views for tree in model.trees]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]


def test_equal_arrays_are_stored_and_loaded_once(saved):
    arrays = load_file(saved / "weights.safetensors")
    assert sum("embedding" in name for name in arrays) == 1
    assert sum(name.endswith("ranker.graph.data") for name in arrays) == 1

    encoders = [scoring.encoder for scoring in load_model(saved).scorings()]
    assert len({id(encoder.embedding) for encoder in encoders}) == 1


@pytest.mark.parametrize(
    "tokens", [WordVectorizer(min_df=1), WordPieceVectorizer(vocabulary_size=60, min_df=1)]
)
def test_loaded_model_vectorizes_texts(tokens, trained, tmp_path):
    texts = ["an apple a day", "red pear", "green apple"]
    points = LabelledTexts(texts, [["fruit"], ["naïve ☃"], ["fruit"]])
    data = from_texts(points, points, name="toy", text=tokens)
    model = with_words(trained("eclare")[1], data)
    save_model(model, tmp_path / "model")

    loaded = load_model(tmp_path / "model")

    assert loaded.label_names == model.label_names
    assert loaded.vocabulary == data.vocabulary
    assert (loaded.vectorizer.transform(texts) != data.train.features).nnz == 0


def with_words(model, data):
    """Return a model with the words of other data; its embeddings are repeated or shortened to fit."""

    def fitted(scoring):
        rows = np.arange(len(data.vocabulary)) % len(scoring.encoder.embedding)
        embedding = np.ascontiguousarray(scoring.encoder.embedding[rows])
        return replace(scoring, encoder=replace(scoring.encoder, embedding=embedding))

    trees = [
        replace(tree, shortlister=fitted(tree.shortlister), ranker=tree.ranker and fitted(tree.ranker))
        for tree in model.trees
    ]
    names = tuple(f"label {number} ☃" for number in range(model.num_labels))
    return PortableModel(
        data="toy",
        trees=tuple(trees),
        label_names=names,
        vocabulary=data.vocabulary,
        vectorizer=data.vectorizer,
    )


def test_existing_folder_is_not_overwritten(saved, trained):
    with pytest.raises(UserError, match=r"model: expected a new folder"):
        save_model(trained("eclare")[1], saved)
    assert len(load_model(saved).trees) == 3


def test_interrupted_export_leaves_no_files(trained, tmp_path, interrupter):
    interrupter.raise_in(TensorWriter, "save", call=1, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        save_model(trained("eclare")[1], tmp_path / "model")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["weights.safetensors", "label_names.json", "vocabulary.json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "changed", "empty"])
def test_damaged_file_is_refused(copy, name, damage):
    path = copy / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"cut": content[:-1], "changed": flipped, "empty": b""}[damage])

    with pytest.raises(UserError, match=r"expected an intact model, found a damaged one .*export it again"):
        load_model(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected JSON, found"),
        ("{", "expected JSON, found"),
        ("[" * 100_000, "expected JSON, found"),
        ("[]", "expected a model of xcgraph, found something else"),
        ('{"format": "other"}', "expected a model of xcgraph, found something else"),
        ('{"format": "xcgraph-model", "version": 2}', r"version 3 .*found 2"),
        ('{"format": "xcgraph-model"}', r"version 3 .*found None"),
        ('{"format": "xcgraph-model", "version": 3}', "made_by: Field required"),
    ],
)
def test_invalid_manifest_is_refused(copy, content, message):
    (copy / "model.json").write_text(content)

    with pytest.raises(UserError, match=message):
        load_model(copy)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"nothing: expected a model folder with model\.json"):
        load_model(tmp_path / "nothing")


def change_tensors(change):
    def apply(_manifest, folder):
        arrays = load_file(folder / "weights.safetensors")
        change(arrays)
        save_file(arrays, folder / "weights.safetensors")

    return apply


def put(name, place, value):
    def change(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change_tensors(change)


def set_in_tree(part, key, value):
    def change(manifest, _folder):
        node = manifest["trees"][0] if part is None else manifest["trees"][0][part]
        node[key] = value

    return change


def rename_a_view(manifest, _folder):
    """Put a lone surrogate into a name: JSON can hold it, but UTF-8 cannot."""
    manifest["trees"][0]["views"][0] = "\ud800"


def in_two_meta_labels(_manifest, folder):
    arrays = load_file(folder / "weights.safetensors")
    arrays["tree.0.members.indices"][1] = arrays["tree.0.members.indices"][0]
    save_file(arrays, folder / "weights.safetensors")


def plant_pickle(_manifest, folder):
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Planted()))


class Planted:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self):
        return (exec, ("import builtins; builtins.planted = True",))


@pytest.mark.parametrize(
    "change",
    [
        put("tree.0.members.indices", 0, 10**6),
        put("tree.0.members.indices", 0, -1),
        put("tree.0.members.indptr", 1, 10**6),
        put("tree.0.shortlister.graph.indptr", 0, -5),
        put("tree.0.ranker.graph.indptr", slice(1, 5), [2**62, 2**63 - 1, -(2**63), -(2**62)]),
        put("tree.0.ranker.graph.indices", 3, 10**6),
        put("tree.0.ranker.vectors", (0, 0), np.nan),
        put("tree.0.shortlister.encoder.embedding", (0, 0), np.inf),
        change_tensors(lambda arrays: arrays.pop("tree.0.ranker.vectors")),
        change_tensors(lambda arrays: arrays.update({"tree.0.ranker.vectors": np.ones((40, 32))})),
        change_tensors(lambda arrays: arrays.update({"tree.0.ranker.vectors": np.ones((40, 5), np.float32)})),
        change_tensors(
            lambda arrays: arrays.update({"tree.0.ranker.vectors": np.ones((39, 32), np.float32)})
        ),
        set_in_tree("ranker", "top_k", 10**9),
        set_in_tree("ranker", "top_k", 0),
        set_in_tree("ranker", "link", "linear"),
        set_in_tree("ranker", "game_mix", 2.0),
        set_in_tree("ranker", "bias", "x"),
        set_in_tree(None, "views", ["text"]),
        rename_a_view,
        lambda manifest, _folder: manifest.update(data="\ud800"),
        set_in_tree(None, "ranker", None),
        lambda manifest, _folder: manifest.update(trees=[]),
        lambda manifest, _folder: manifest.update(num_labels=10**9),
        lambda manifest, _folder: manifest.update(num_labels=2**70),
        lambda manifest, _folder: manifest.update(num_tokens=3),
        lambda manifest, _folder: manifest["files"].update({"../../secret": "0"}),
        lambda _manifest, folder: (folder / "label_names.json").write_text('["one"]'),
        lambda _manifest, folder: (folder / "label_names.json").write_text('{"a": 1}'),
        lambda _manifest, folder: (folder / "vocabulary.json").write_bytes(b"\xff\xfe"),
        lambda manifest, _folder: manifest.update(trees=manifest["trees"] * 100),
        lambda _manifest, folder: (folder / "label_names.json").write_text("[" * 100_000),
        lambda _manifest, folder: (folder / "label_names.json").write_text('["\\ud800"]'),
        in_two_meta_labels,
        plant_pickle,
    ],
)
def test_forged_model_is_refused_without_running_code(copy, change):
    (copy.parent / "secret").write_text("")
    forged = {}

    def remember(manifest, folder):
        change(manifest, folder)
        forged.update(manifest)

    try:
        forge(copy, remember)
    except FileNotFoundError:  # a name outside the folder has no checksum
        (copy / "model.json").write_text(json.dumps(forged))

    with pytest.raises(UserError, match="expected an intact model, found"):
        load_model(copy)
    assert not hasattr(builtins, "planted")
