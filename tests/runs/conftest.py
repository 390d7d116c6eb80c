import pytest

from ..report.conftest import RunMaker


@pytest.fixture(scope="module", autouse=True)
def always_one_thread(one_thread):
    return one_thread


@pytest.fixture
def run_maker(toy, tmp_path):
    return RunMaker(toy, tmp_path / "runs")
