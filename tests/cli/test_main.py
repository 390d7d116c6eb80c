import importlib

import pytest

from xcgraph import __version__
from xcgraph.cli import main as command


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_has_its_module_and_is_listed(name):
    assert callable(importlib.import_module(f"xcgraph.cli.{name}").main)
    assert f"  {name} " in command.usage()


def test_version(capsys):
    command.main(["--version"])
    assert capsys.readouterr().out == f"xcgraph {__version__}\n"


def test_help_and_no_command(capsys):
    for arguments, status in ((["--help"], 0), ([], 2)):
        with pytest.raises(SystemExit) as left:
            command.main(arguments)
        assert left.value.code == status
        assert "xcgraph COMMAND" in capsys.readouterr().out


def test_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as left:
        command.main(["trian"])
    assert left.value.code == 2
    assert "'trian'" in capsys.readouterr().err


def test_arguments_reach_the_command(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["xcgraph", "data", "--help"])
    with pytest.raises(SystemExit) as left:
        command.main()
    assert left.value.code == 0
    assert "xcgraph-data" in capsys.readouterr().out
