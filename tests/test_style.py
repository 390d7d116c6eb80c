"""Check the budgets of CONTRIBUTING.md that ruff has no rule for: lines per file and lines per function."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 40
FILES = [file for folder in ("src", "data_modules") for file in sorted((ROOT / folder).rglob("*.py"))]


def count_lines(function):
    """Count the lines of a function without its docstring and decorators."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def find_functions(source):
    nodes = ast.walk(ast.parse(source))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_and_its_functions_stay_within_the_budgets(file):
    source = file.read_text(encoding="utf-8")

    too_long = {
        function.name: count_lines(function)
        for function in find_functions(source)
        if count_lines(function) > MAX_FUNCTION_LINES
    }

    num_lines = len(source.splitlines())
    assert num_lines <= MAX_FILE_LINES
    assert too_long == {}


def test_count_lines_ignores_docstring_and_decorators():
    source = '@cache\ndef double(x):\n    """Two\n    lines."""\n    y = x + x\n\n    return y\n'

    assert [count_lines(function) for function in find_functions(source)] == [4]
