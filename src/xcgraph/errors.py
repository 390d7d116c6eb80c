"""The exceptions that mean: the user can mend this."""


class UserError(Exception):
    """A mistake that the user can mend, said in one sentence.

    The message names what was expected, what was found and how to mend it. The command line prints it
    without a traceback and exits with status 2; library callers see an ordinary exception.
    """


class DivergedError(UserError):
    """A training whose loss is no number any more: this run is over, others may go well."""
