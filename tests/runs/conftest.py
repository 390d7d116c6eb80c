import pytest


@pytest.fixture(scope="module", autouse=True)
def always_one_thread(one_thread):
    return one_thread
