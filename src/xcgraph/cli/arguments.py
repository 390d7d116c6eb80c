"""Prepares the command line before Hydra reads it, and checks the paths in it."""

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


# Hydra's grammar has no unquoted ~ in a value. A value with quotes or brackets stays as it is.
_HOME = re.compile(r"(?<=[=,])~(?:/[^,]*)?(?=,|$)")
_QUOTED = re.compile(r"['\"\[\]{}()]")


def prepare_arguments(arguments: Sequence[str]) -> list[str]:
    """Check the options of a command line, put them first, and make paths with ``~`` readable.

    Hydra refuses an option between two settings.

    Raises:
        UserError: an option is not one of Hydra's, or an output folder cannot be written.
    """
    options, settings = _separate(arguments)
    quoted = (text if _QUOTED.search(text) else _HOME.sub(r"'\g<0>'", text) for text in settings)
    return [*options, *map(_with_absolute_folder, quoted)]


def path_option(text: str) -> str:
    """Return a path of a command line with the home folder for ``~``, as the type of an argparse option."""
    try:
        return str(expand_home(text))
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _separate(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate options, with their values, from settings.

    Settings that are written like options are refused. Hydra would take them for abbreviated options.
    """
    from hydra._internal.utils import get_args_parser

    known: Mapping[str, argparse.Action] = get_args_parser()._option_string_actions
    options: list[str] = []
    settings: list[str] = []
    is_value = False
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, value = argument.partition("=")
        if is_value:
            options.append(argument)
            is_value = False
        elif not argument.startswith("-"):
            settings.append(argument)
        elif name in known:
            option = known[name]
            is_optional = option.nargs == "?"
            is_value = not equals and (
                following in (option.choices or ()) if is_optional else option.nargs is None
            )
            is_bare = is_optional and not equals and not is_value
            options.append("--info=all" if is_bare else argument)  # It must not take a setting as its value.
        else:
            raise UserError(_refuse_option(name, equals + value, following, list(known)))
    return options, settings


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
