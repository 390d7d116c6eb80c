"""xcgraph-serve: answer requests for predictions over HTTP.

What predicts and serves is imported late: --help does not need it.
"""

import argparse
import importlib.util
import logging
import socket
from collections.abc import Sequence
from dataclasses import fields

from xcgraph.cli.command import add_trust, run_command
from xcgraph.cli.failures import RecoveryHints
from xcgraph.errors import UserError
from xcgraph.serve.settings import ServeSettings

_HINTS = RecoveryHints(interrupted="all requests that had come are answered", output="another folder")
_NEEDED = ("fastapi", "fastapi_offline", "uvicorn", "prometheus_client")


def serve(options: argparse.Namespace) -> None:
    """Load the model and answer requests until a signal comes."""
    missing = [name for name in _NEEDED if not importlib.util.find_spec(name)]
    if missing:
        raise UserError(f"The server needs {', '.join(missing)}; run: pip install {' '.join(missing)}")
    from xcgraph.serve.access import Access, read_token
    from xcgraph.serve.server import load_predictor, run

    settings = ServeSettings(**{each.name: getattr(options, each.name) for each in fields(ServeSettings)})
    token = None if options.token_file is None else read_token(options.token_file)
    access = Access(cors_origins=tuple(options.cors), token=token)
    with _bound(options.host, options.port) as listener:
        run(load_predictor(options.model, options.trust), settings, listener, access)


def _bound(host: str, port: int) -> socket.socket:
    """Bind the port before the model is loaded. Until the server listens, connections are refused."""
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
        description="Predict over HTTP: POST /predict. GET / is a page to try the model, GET /docs the API.",
        epilog="There is no encryption: put a proxy with TLS in front of a server that other machines use.",
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
    parser.add_argument(
        "--cors",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="web origin whose pages may send requests, such as https://example.org; may be repeated",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with a token that requests must send (default: none needed)",
    )
    add_trust(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("xcgraph.serve").setLevel(logging.INFO)
    run_command(lambda: serve(options), _HINTS)


if __name__ == "__main__":
    main()
