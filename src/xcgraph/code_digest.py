"""A hash of the code that results depend on."""

import ast
import hashlib
import importlib.util
import platform
from functools import cache
from pathlib import Path

from xcgraph.identity import NOT_IN_THE_CODE

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_digest() -> str:
    """Hash the code that results depend on, without comments and docstrings."""
    digest = hashlib.sha256(platform.python_version().encode())  # syntax trees differ between versions
    for package in ("xcgraph", "data_modules"):
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            for file in sorted(Path(folder).rglob("*.py")):
                name = file.relative_to(folder)
                if name.parts[0] not in NOT_IN_THE_CODE:
                    syntax = _syntax_digest(file, file.stat().st_mtime_ns)
                    digest.update(f"{package}/{name.as_posix()}\n{syntax}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _syntax_digest(file: Path, modified_ns: int) -> str:
    """Hash the syntax of a file; the time of its last change keeps the cache up to date."""
    del modified_ns
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
