"""Check that pyproject.toml lists every package and file; only a wheel would show a missing one."""

import tomllib
from importlib.metadata import EntryPoint
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
FOLDERS = {package: ROOT / folder for package, folder in SETUPTOOLS["package-dir"].items()}
DEPENDENCIES = PROJECT["dependencies"] + sorted(chain(*PROJECT["optional-dependencies"].values()))


def read_pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


def test_packages_are_the_folders_with_python_files():
    expected = {
        ".".join([package, *file.parent.relative_to(folder).parts])
        for package, folder in FOLDERS.items()
        for file in folder.rglob("*.py")
    }

    assert sorted(SETUPTOOLS["packages"]) == sorted(expected)


@pytest.mark.parametrize("package", FOLDERS)
def test_package_data_lists_every_file_that_is_not_python(package):
    folder = FOLDERS[package]
    files = {file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts}

    shipped = {file for pattern in SETUPTOOLS["package-data"][package] for file in folder.glob(pattern)}

    assert shipped == {file for file in files if file.suffix != ".py"}


def test_package_data_includes_the_configs():
    assert (FOLDERS["xcgraph.conf"] / "train.yaml").is_file()


@pytest.mark.parametrize("name", ["lf-metamath", "wordnet-3.0"])
def test_package_data_includes_the_embedded_sets_with_their_licences(name):
    assert (FOLDERS["data_modules"] / f"{name}.tar.xz").is_file()
    assert (FOLDERS["data_modules"] / f"{name}.LICENSE").is_file()
    assert f"data_modules/{name}.LICENSE" in PROJECT["license-files"]


@pytest.mark.parametrize("name", PROJECT["scripts"])
def test_console_script_can_be_called(name):
    entry = EntryPoint(name=name, value=PROJECT["scripts"][name], group="console_scripts")

    assert callable(entry.load())


@pytest.mark.parametrize("dependency", DEPENDENCIES)
def test_constraints_pin_a_version_that_the_project_accepts(dependency):
    requirement = Requirement(dependency)

    assert read_pins()[canonicalize_name(requirement.name)] in requirement.specifier
