"""Exceptions for mistakes that the user can fix."""


class UserError(Exception):
    """A mistake that the user can fix.

    The message says in one or two sentences what was expected, what was found and how to fix it. The command
    line prints the message without a traceback and exits with status 2. Library callers see an ordinary
    exception.
    """


class DivergedError(UserError):
    """The loss of a training step is not finite, so this run cannot continue; other runs can succeed."""
