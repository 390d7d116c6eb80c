"""Measures the server for Prometheus."""

import time
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_POINTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_OTHER_PATH = "other"
_NO_ANSWER = 499  # the status that nginx logs if the client closes the connection


class Metrics:
    """The measurements of one application; another application in the same process has its own.

    Attributes:
        registry: registry with all measurements below, and with memory and CPU time of the process.
        requests: number of requests by path and status.
        seconds: time from the first line of a request to the end of its answer, by path.
        batches: number of inputs per batch.
        waiting: number of inputs in the queue.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "xcgraph_requests", "Requests by path and status.", ("path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "xcgraph_request_seconds",
            "Seconds from the first line of a request to the end of its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "xcgraph_batch_inputs",
            "Inputs per batch.",
            buckets=_POINTS,
            registry=self.registry,
        )
        self.waiting = Gauge("xcgraph_waiting_inputs", "Inputs in the queue.", registry=self.registry)


class MeasuredApp:
    """Middleware that counts and times requests.

    Args:
        app: application that answers the requests.
        metrics: measurements to update.
        paths: paths that are counted by name. All others share one name, because clients could send any
            number of paths.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = _NO_ANSWER, time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        path = scope["path"] if scope["path"] in self._paths else _OTHER_PATH
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - started)
