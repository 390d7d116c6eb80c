from dataclasses import replace

import pytest

from xcgraph.cli.data import main
from xcgraph.cli.sources import open_source
from xcgraph.data.xc_data import XCData


@pytest.fixture(scope="module")
def embedded(tmp_path_factory) -> XCData:
    return open_source("lf_wordnet_8k", cache=tmp_path_factory.mktemp("cache")).read()


@pytest.mark.parametrize("layout", ["split", "old", "json", "texts"])
def test_an_export_is_read_back_as_equal_data(embedded, tmp_path, layout):
    main(["convert", "lf_wordnet_8k", str(tmp_path / "mine"), "--layout", layout])

    found = open_source(str(tmp_path / "mine"), cache=tmp_path / "cache").read()
    assert replace(found, name=embedded.name).fingerprint == embedded.fingerprint
