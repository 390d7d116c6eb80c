"""What a server tells Prometheus of itself."""

import time
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_POINTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_OTHER_PATH = "other"
_NO_ANSWER = 499  # nginx's status of a request whose client went away


class Metrics:
    """The measurements of one app, apart from those of other apps in the process.

    Attributes:
        registry: all of them, and those of the process.
        requests: by path and status.
        seconds: from a request's first line to the end of its answer, by path.
        batches: inputs that were predicted together.
        waiting: inputs in the queue.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "xcgraph_requests", "Requests by path and status.", ("path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "xcgraph_request_seconds",
            "Seconds from a request's first line to the end of its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "xcgraph_batch_inputs",
            "Inputs that were predicted together.",
            buckets=_POINTS,
            registry=self.registry,
        )
        self.waiting = Gauge("xcgraph_waiting_inputs", "Inputs in the queue.", registry=self.registry)


class MeasuredApp:
    """Middleware that counts requests and takes their time.

    Args:
        app: what answers them.
        metrics: where they are counted.
        paths: those that have a line of their own; a stranger's paths would make lines without end.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = _NO_ANSWER, time.perf_counter()

        async def noting_send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        path = scope["path"] if scope["path"] in self._paths else _OTHER_PATH
        try:
            await self._app(scope, receive, noting_send)
        finally:
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - started)
