"""Build the object that a node of a config describes."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from xcgraph.errors import UserError


def build_node(node: DictConfig) -> Any:  # noqa: ANN401 - any object that a config describes
    """Build the object that one node of a composed config describes.

    Raises:
        UserError: a part refuses a value.
    """
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise
