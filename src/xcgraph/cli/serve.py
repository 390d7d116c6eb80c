"""xcgraph-serve: answer requests for predictions over HTTP."""

import argparse
import importlib.util
import logging
import socket
from collections.abc import Sequence
from dataclasses import fields

from xcgraph.cli.command import add_trust, run_command
from xcgraph.cli.failures import RecoveryHints
from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.serve.settings import ServeSettings

_ADVICE = RecoveryHints(interrupted="all requests that had come are answered", output="another folder")
_NEEDED = ("fastapi", "uvicorn", "prometheus_client")


def serve(options: argparse.Namespace) -> None:
    """Load the model, and answer until a signal comes."""
    missing = [name for name in _NEEDED if not importlib.util.find_spec(name)]
    if missing:
        raise UserError(f"The server needs {', '.join(missing)}: pip install 'xcgraph[serve]'.")
    from xcgraph.serve.server import run

    settings = ServeSettings(**{each.name: getattr(options, each.name) for each in fields(ServeSettings)})
    with _bound(options.host, options.port) as listener:
        predictor = Predictor.load(options.model, trust=options.trust)
        # The first prediction loads compiled code; what a model lacks, such as a package, shows, too.
        predictor.predict(["" if predictor.model.vectorizer is not None else {}], top_k=1)
        run(predictor, settings, listener)


def _bound(host: str, port: int) -> socket.socket:
    """Take the port before the model is loaded; connections are refused until it listens."""
    if not 0 <= port < 1 << 16:
        raise UserError(f"--port: expected 0 to 65535, found {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"--host: expected an address of this machine, found {host}: {error}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise UserError(
            f"{host}:{port}: expected a free port, found: {error.strerror}; choose another with --port."
        ) from error
    return listener


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="xcgraph-serve",
        description="Answer POST /predict; GET /health, /metrics and /docs tell of the server.",
        epilog="There is no authentication: beyond this machine, put a proxy before it.",
    )
    parser.add_argument("model", metavar="MODEL", help="a folder of xcgraph-export or of a finished run")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port, 0 for a free one (default: 8000)")
    for each in fields(ServeSettings):
        parser.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=each.type,
            default=each.default,
            metavar="N",
            help=f"{each.metadata['help']} (default: {each.default})",
        )
    add_trust(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    run_command(lambda: serve(options), _ADVICE)


if __name__ == "__main__":
    main()
