"""Saves and loads a portable model: ``model.json``, ``weights.safetensors``, and names and texts in JSON."""

import json
import reprlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from xcgraph import __version__
from xcgraph.errors import UserError
from xcgraph.metrics.calibration import Calibration
from xcgraph.predict.manifest import FORMAT, VERSION, EncoderPart, Manifest, ScoringPart, TreePart
from xcgraph.predict.model import PointEncoder, PortableMember, PortableModel, Scoring
from xcgraph.predict.tensors import TensorReader, TensorWriter
from xcgraph.storage.artifacts import checksum, save_arrays, sync_file, write_atomically
from xcgraph.storage.npz import load_arrays
from xcgraph.storage.safe_files import inside, read_json
from xcgraph.text.fitted_vectorizer import FittedVectorizer

MANIFEST = "model.json"
_LONGEST_REASON = 200
_WEIGHTS, _VOCABULARY = "weights.safetensors", "vocabulary.json"
_LABELS, _LABEL_IDS, _CALIBRATION = "label_names.json", "label_ids.json", "calibration.npz"
_PROPENSITY = "propensity.npz"
# Arrays that a point encoder may lack, with their numbers of dimensions.
_OPTIONAL_ARRAYS: Mapping[str, int] = MappingProxyType({"keep": 1, "weight": 2, "bias": 1})


def is_model(folder: Path) -> bool:
    """Return whether a folder holds a portable model, possibly a damaged one."""
    return (folder / MANIFEST).is_file()


def save_model(
    model: PortableModel, folder: Path, *, beside: Sequence[Callable[[PortableModel, Path], None]] = ()
) -> None:
    """Write a model into a new folder, which appears when it is complete.

    Args:
        model: the model.
        folder: the new folder.
        beside: functions that write other forms of the model into the folder, such as a program;
            :func:`load_model` never reads them.

    Raises:
        UserError: the folder exists.
    """
    if folder.exists():
        raise UserError(f"{folder}: expected a new folder, but it exists; choose another name or remove it.")
    draft = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        _write(model, draft)
        for write in beside:
            write(model, draft)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load_model(folder: Path) -> PortableModel:
    """Load a model.

    Raises:
        UserError: the folder holds no model, a damaged one, or one of another format version.
    """
    manifest = _read_manifest(folder / MANIFEST)
    try:
        for name, expected in manifest.files.items():
            if checksum(inside(folder, name)) != expected:
                raise ValueError(f"{name} does not match its checksum")
        return _read(manifest, folder)
    # Checksums detect damage, but not files that somebody has made up.
    except (ArithmeticError, LookupError, OSError, TypeError, UserError, ValueError) as error:
        reason = str(error)[:_LONGEST_REASON]
        raise UserError(
            f"{folder}: expected an intact model, found a damaged one ({reason}); export it again."
        ) from error


def _write(model: PortableModel, folder: Path) -> None:
    tensors = TensorWriter()
    trees = [_tree_part(tree, f"tree.{number}", tensors) for number, tree in enumerate(model.trees)]
    tensors.save(folder / _WEIGHTS)
    write_atomically(folder / _LABELS, json.dumps(list(model.label_names), ensure_ascii=False))
    write_atomically(folder / _LABEL_IDS, json.dumps(list(model.label_ids), ensure_ascii=False))
    if model.inverse_propensity is not None:
        save_arrays(folder / _PROPENSITY, inverse_propensity=model.inverse_propensity)
    if model.calibration is not None:
        model.calibration.save(folder / _CALIBRATION)
    write_atomically(folder / _VOCABULARY, json.dumps(list(model.vocabulary), ensure_ascii=False))
    if model.vectorizer is not None:
        model.vectorizer.save(folder)
    # safetensors makes its file readable only by the owner, but a model is shared.
    shutil.copymode(folder / _LABELS, folder / _WEIGHTS)
    files = sorted(folder.iterdir())
    for path in files:
        sync_file(path)
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        made_by=f"xcgraph {__version__}",
        data=model.data,
        num_labels=model.num_labels,
        num_tokens=model.num_tokens,
        reads_text=model.vectorizer is not None,
        trees=trees,
        files={path.name: checksum(path) for path in files},
    )
    write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=1))


def _tree_part(tree: PortableMember, name: str, tensors: TensorWriter) -> TreePart:
    return TreePart(
        shortlister=_scoring_part(tree.shortlister, f"{name}.shortlister", tensors),
        members=tensors.add_matrix(f"{name}.members", tree.members),
        ranker=None if tree.ranker is None else _scoring_part(tree.ranker, f"{name}.ranker", tensors),
        views=list(tree.views),
        shares=tensors.add(f"{name}.shares", tree.shares),
    )


def _scoring_part(scoring: Scoring, name: str, tensors: TensorWriter) -> ScoringPart:
    return ScoringPart(
        encoder=_encoder_part(scoring.encoder, f"{name}.encoder", tensors),
        vectors=tensors.add(f"{name}.vectors", scoring.vectors),
        bias=scoring.bias,
        link=scoring.link,
        graph=tensors.add_matrix(f"{name}.graph", scoring.graph),
        game_mix=scoring.game_mix,
        top_k=scoring.top_k,
    )


def _encoder_part(encoder: PointEncoder, name: str, tensors: TensorWriter) -> EncoderPart:
    arrays = {field: getattr(encoder, field) for field in _OPTIONAL_ARRAYS}
    names = {
        field: None if array is None else tensors.add(f"{name}.{field}", array)
        for field, array in arrays.items()
    }
    return EncoderPart(
        embedding=tensors.add(f"{name}.embedding", encoder.embedding), **names, activation=encoder.activation
    )


def _read_manifest(path: Path) -> Manifest:
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent}: expected a model folder with {MANIFEST}, which is missing."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected JSON, found {error}; export the model again.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path}: expected a model of xcgraph, found something else.")
    if content.get("version") != VERSION:
        found = reprlib.repr(content.get("version"))
        raise UserError(
            f"{path}: expected version {VERSION} of the model format, found {found}; export the run again "
            "with this version of xcgraph, or predict with the version that wrote the model."
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))[:_LONGEST_REASON]
        raise UserError(
            f"{path}: expected an intact model, found {place}: {first['msg']}; export it again."
        ) from error


def _read(manifest: Manifest, folder: Path) -> PortableModel:
    tensors = TensorReader(folder / _WEIGHTS)
    label_names = _read_names(folder / _LABELS)
    vocabulary = _read_names(folder / _VOCABULARY)
    model = PortableModel(
        data=_whole([manifest.data])[0],
        trees=tuple(_tree(part, tensors, manifest.num_labels) for part in manifest.trees),
        label_names=label_names,
        label_ids=_read_ids(folder / _LABEL_IDS),
        inverse_propensity=_read_propensity(folder, manifest),
        calibration=Calibration.load(folder / _CALIBRATION) if _CALIBRATION in manifest.files else None,
        vocabulary=vocabulary,
        vectorizer=FittedVectorizer.load(folder, vocabulary) if manifest.reads_text else None,
    )
    if model.num_tokens != manifest.num_tokens:
        raise ValueError(f"expected {manifest.num_tokens} tokens, found {model.num_tokens}")
    return model


def _read_propensity(folder: Path, manifest: Manifest) -> NDArray[np.float32] | None:
    if _PROPENSITY not in manifest.files:
        return None
    return load_arrays(folder / _PROPENSITY)["inverse_propensity"].astype(np.float32)


def _read_ids(path: Path) -> tuple[str | int, ...]:
    ids = read_json(path)
    if not isinstance(ids, list) or not all(type(each) in (str, int) for each in ids):
        raise TypeError(f"{path.name}: expected a list of texts or whole numbers")
    _whole([each for each in ids if isinstance(each, str)])
    return tuple(ids)


def _tree(part: TreePart, tensors: TensorReader, num_labels: int) -> PortableMember:
    shortlister = _scoring(part.shortlister, tensors)
    return PortableMember(
        shortlister=shortlister,
        members=tensors.get_matrix(part.members, (len(shortlister.vectors), num_labels)),
        ranker=None if part.ranker is None else _scoring(part.ranker, tensors),
        views=_whole(part.views),
        shares=tensors.get(part.shares, 2),
    )


def _scoring(part: ScoringPart, tensors: TensorReader) -> Scoring:
    vectors = tensors.get(part.vectors, 2)
    count = len(vectors)
    return Scoring(
        encoder=_encoder(part.encoder, tensors),
        vectors=vectors,
        bias=part.bias,
        link=part.link,
        graph=tensors.get_matrix(part.graph, (count, count)),
        game_mix=part.game_mix,
        top_k=part.top_k,
    )


def _encoder(part: EncoderPart, tensors: TensorReader) -> PointEncoder:
    names = {field: getattr(part, field) for field in _OPTIONAL_ARRAYS}
    arrays = {
        field: None if name is None else tensors.get(name, _OPTIONAL_ARRAYS[field])
        for field, name in names.items()
    }
    return PointEncoder(embedding=tensors.get(part.embedding, 2), **arrays, activation=part.activation)


def _read_names(path: Path) -> tuple[str, ...]:
    names = read_json(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path.name}: expected a list of texts")
    return _whole(names)


def _whole(names: Sequence[str]) -> tuple[str, ...]:
    """Refuse lone surrogates, which JSON can hold, but which cannot be written as UTF-8."""
    "".join(names).encode()
    return tuple(names)
