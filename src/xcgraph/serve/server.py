"""uvicorn around the application."""

import math
import socket
import sys

import uvicorn

from xcgraph.predict.predictor import Predictor
from xcgraph.serve.app import create_app
from xcgraph.serve.settings import ServeSettings

_MOST_CONNECTIONS = 1024


def run(predictor: Predictor, settings: ServeSettings, listener: socket.socket) -> None:
    """Answer requests until a signal comes, and then those that have come.

    Args:
        predictor: the model.
        settings: limits, and how requests are gathered.
        listener: a bound socket.
    """
    config = uvicorn.Config(
        create_app(predictor, settings),
        log_level="warning",
        access_log=False,
        ws="none",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=math.ceil(2 * settings.time_limit),
    )
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    address = f"{predictor.model.data} on http://{name}:{port}/predict, described by /docs\n"
    _AnnouncedServer(config, address).run(sockets=[listener])


class _AnnouncedServer(uvicorn.Server):
    """Says where it answers as soon as it does."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(self._announcement)
            sys.stdout.flush()
