"""The option by which users vouch for the classes that the config of a run names."""

import argparse


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Let users name packages of their own."""
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="a package of your own whose classes the config of a run names; may be given again",
    )
