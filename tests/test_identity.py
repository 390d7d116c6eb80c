"""Names of parts do not depend on the module that defines them."""

import ast
import importlib
import inspect
from functools import partial
from pathlib import Path

import pytest

import xcgraph
from xcgraph.cli.sweep import cell_key
from xcgraph.identity import NOT_IN_A_CELL, NOT_IN_AN_EXPERIMENT, NOT_IN_THE_CODE, UNKEYED, public_name
from xcgraph.nn.fusion import SumFusion
from xcgraph.recipes.eclare import Eclare
from xcgraph.recipes.workspace import Workspace, embed
from xcgraph.storage.artifacts import content_key
from xcgraph.training.stage import Stage

ROOT = Path(xcgraph.__file__).parent
ROOMS = sorted(file.parent.name for file in ROOT.glob("*/__init__.pyi"))


def exports(room):
    tree = ast.parse((ROOT / room / "__init__.pyi").read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [alias.asname or alias.name for node in imports for alias in node.names]


@pytest.mark.parametrize("room", ROOMS)
def test_every_exported_class_and_function_has_a_public_name(room):
    package = importlib.import_module(f"xcgraph.{room}")
    for name in exports(room):
        thing = getattr(package, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert public_name(thing) == f"xcgraph.{room}.{name}"


def test_public_name_of_methods_private_and_foreign_things():
    assert public_name(Workspace.of) == "xcgraph.recipes.Workspace.of"
    assert public_name(embed) == "xcgraph.recipes.workspace.embed"
    assert public_name(partial) == "functools.partial"
    assert public_name(exports) == f"{__name__}.exports"


def test_class_with_the_name_of_an_export_keeps_its_module():
    class Impostor:
        pass

    Impostor.__module__, Impostor.__qualname__ = "xcgraph.nn.elsewhere", "SumFusion"
    assert public_name(Impostor) == "xcgraph.nn.elsewhere.SumFusion"


def test_key_does_not_depend_on_the_module_of_a_class(monkeypatch):
    part = partial(SumFusion, 3)
    before = content_key({"fusion": part})
    monkeypatch.setattr(SumFusion, "__module__", "xcgraph.nn.elsewhere")
    assert public_name(SumFusion) == "xcgraph.nn.SumFusion"
    assert content_key({"fusion": part}) == before


def test_sets_name_what_exists():
    assert NOT_IN_A_CELL <= NOT_IN_AN_EXPERIMENT
    assert all((ROOT / name).is_dir() or name == "conf" for name in NOT_IN_THE_CODE)
    keyed = {name: field.metadata for name, field in Stage.__dataclass_fields__.items()}
    assert {name for name, metadata in keyed.items() if metadata == UNKEYED} == {"num_workers"}
    assert not any(field.metadata for field in Eclare.__dataclass_fields__.values())
    assert callable(cell_key)
