"""The compatibility check finds installed interpreters and marks missing ones."""

import platform
import subprocess

from tests.compatibility import ROOT, TESTS, check, find_interpreter


def test_interpreter_is_found_by_version():
    version = platform.python_version().rpartition(".")[0]
    found = find_interpreter(version)
    command = [found, "-c", "import platform; print(platform.python_version())"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith(
        f"{version}."
    )


def test_missing_interpreter_is_marked_in_the_table(tmp_path):
    line = check("2.99", "pinned", tmp_path)
    assert line == ["2.99", "pinned", "interpreter missing", "", "", "", ""]
    assert not list(tmp_path.iterdir())


def test_selected_tests_exist():
    assert [path for path in TESTS if not (ROOT / path).exists()] == []
