"""The layouts that a data set's folder may have: a module each, and the list of all."""

from collections.abc import Sequence

from xcgraph.formats.layouts.base import Layout
from xcgraph.formats.layouts.json_lines import DEFAULT_FIELDS, JsonLines
from xcgraph.formats.layouts.single_file import SingleFile
from xcgraph.formats.layouts.split import Split
from xcgraph.formats.layouts.texts import Texts

__all__ = ["all_layouts"]


def all_layouts(fields: Sequence[str] = DEFAULT_FIELDS) -> tuple[Layout, ...]:
    """List the layouts in the order of preference where a folder has the files of several.

    Sparse features come before texts, for they are what published numbers are of.

    Args:
        fields: of a JSON record, whose values make up a text.
    """
    return Split(), SingleFile(), JsonLines(fields), Texts()
