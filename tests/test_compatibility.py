"""What the check of other interpreters says of those that are there and of those that are not."""

import platform
import subprocess

from tests.compatibility import check, find_interpreter


def test_interpreter_is_found_by_its_version():
    version = platform.python_version().rpartition(".")[0]
    found = find_interpreter(version)
    asked = [found, "-c", "import platform; print(platform.python_version())"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.startswith(f"{version}.")


def test_missing_interpreter_is_a_line_of_the_table(tmp_path):
    line = check("2.99", "pinned", tmp_path)
    assert line == ["2.99", "pinned", "interpreter missing", "", "", "", ""]
    assert not list(tmp_path.iterdir())
