"""The layouts that the folder of a dataset can have: one module for each, and the list of all."""

from collections.abc import Sequence

from xcgraph.formats.layouts.base import Layout
from xcgraph.formats.layouts.json_lines import DEFAULT_FIELDS, JsonLines
from xcgraph.formats.layouts.single_file import SingleFile
from xcgraph.formats.layouts.split import Split
from xcgraph.formats.layouts.texts import Texts

__all__ = ["all_layouts"]


def all_layouts(fields: Sequence[str] = DEFAULT_FIELDS) -> tuple[Layout, ...]:
    """Return all layouts; if a folder has the files of several, the first of them is used.

    Sparse features come before texts because published results were measured on sparse features.

    Args:
        fields: names of the JSON fields that make up a text.
    """
    return Split(), SingleFile(), JsonLines(fields), Texts()
