"""Prepares arguments: those of the commands that take a config, before Hydra reads them, and paths."""

import argparse
import difflib
import re
from collections.abc import Mapping, Sequence

from xcgraph.errors import UserError
from xcgraph.storage.user_paths import expand_home, output_folder

# Hydra creates these folders before it calls any code of ours.
_OUTPUT = re.compile(r"\+{0,2}(hydra\.(?:run|sweep)\.dir)=(.+)", re.DOTALL)
# A value that Hydra still has to compute or to split.
_NOT_PLAIN = re.compile(r"\$\{|,")


def prepare_arguments(arguments: Sequence[str]) -> list[str]:
    """Check the options of a command line, and make the output folders that it names absolute.

    Raises:
        UserError: an option is not one of Hydra's, or an output folder cannot be written.
    """
    _check_options(arguments)
    return [_with_absolute_folder(each) for each in arguments]


def path_option(text: str) -> str:
    """Return a path of a command line with the home folder for ``~``, as the type of an argparse option."""
    try:
        return str(expand_home(text))
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _check_options(arguments: Sequence[str]) -> None:
    """Refuse settings that are written like options, which Hydra would take for abbreviated options."""
    from hydra._internal.utils import get_args_parser

    options: Mapping[str, object] = get_args_parser()._option_string_actions
    is_value = False
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if is_value or not argument.startswith("-"):
            is_value = False
        elif name in options:
            is_value = not equals and getattr(options[name], "nargs", None) is None
        else:
            following = arguments[place + 1] if place + 1 < len(arguments) else ""
            raise UserError(_refuse_option(name, equals + value, following, list(options)))


def _refuse_option(name: str, value: str, following: str, options: Sequence[str]) -> str:
    is_followed = not value and following != "" and "=" not in following and not following.startswith("-")
    if not value and not is_followed:
        close = difflib.get_close_matches(name, options, n=1, cutoff=0.85)
        if close:
            return f"{name}: did you mean {close[0]}?"
    typed = f"{name} {following}" if is_followed else f"{name}{value}"
    key = name.lstrip("-").replace("-", "_")
    return (
        f"{typed}: settings have no dashes; write {key}={following if is_followed else value[1:] or 'VALUE'}."
    )


def _with_absolute_folder(argument: str) -> str:
    found = _OUTPUT.fullmatch(argument)
    if found is None or _NOT_PLAIN.search(found[2]):
        return argument
    quote = found[2][0] if found[2][0] in "'\"" and found[2][-1] == found[2][0] else ""
    text = found[2][1:-1] if quote else found[2]
    folder = output_folder(text, found[1])
    if not text.startswith("~"):  # The recorded command keeps what the user has typed.
        return argument
    return argument[: found.start(2)] + f"{quote}{folder}{quote}"
