"""Loads a model and runs uvicorn around the application."""

import logging
import math
import socket
import sys
import time
from collections.abc import Sequence

import uvicorn

from xcgraph.predict.predictor import Predictor
from xcgraph.serve.access import Access
from xcgraph.serve.app import create_app
from xcgraph.serve.settings import ServeSettings

_MAX_CONNECTIONS = 1024

_log = logging.getLogger(__name__)


def load_predictor(folder: str, trust: Sequence[str] = ()) -> Predictor:
    """Load a model, predict once, and log what happens.

    The first prediction loads compiled code, and fails now if a package of the model is missing.

    Args:
        folder: a model folder or a run folder.
        trust: your own packages whose classes the config of a run folder may name.

    Raises:
        UserError: the model cannot be loaded.
    """
    _log.info("Loading the model in %s", folder)
    started = time.perf_counter()
    predictor = Predictor.load(folder, trust=trust)
    model = predictor.model
    predictor.predict(["" if model.vectorizer is not None else {}], top_k=1)
    seconds = time.perf_counter() - started
    _log.info(
        "Loaded in %.1f s: %s, %d labels, %d tokens", seconds, model.data, model.num_labels, model.num_tokens
    )
    return predictor


def run(
    predictor: Predictor, settings: ServeSettings, listener: socket.socket, access: Access | None = None
) -> None:
    """Answer requests until a signal comes, then answer the requests that have arrived.

    Args:
        predictor: the predictor that labels the inputs.
        settings: limits and batching.
        listener: a bound socket.
        access: token and web origins; None for an open server.
    """
    config = uvicorn.Config(
        create_app(predictor, settings, access),
        log_level="warning",
        access_log=False,
        ws="none",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=math.ceil(2 * settings.time_limit),
    )
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    announcement = f"Serving {predictor.model.data} on http://{name}:{port}/ (POST /predict, API: /docs)\n"
    _AnnouncedServer(config, announcement).run(sockets=[listener])


class _AnnouncedServer(uvicorn.Server):
    """Prints its address as soon as it accepts requests."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(self._announcement)
            sys.stdout.flush()
