"""Refuses request bodies that are too large or arrive too slowly."""

import asyncio
import time

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from xcgraph.serve.settings import ServeSettings


class LimitedBodies:
    """Middleware that limits the size of a request body and the time until it has arrived.

    Starlette's own limit answers some of these requests in plain text, and does not limit the time.

    Args:
        app: application that reads the body; beyond a limit, reading raises HTTPException 413 or 408.
        settings: the limits.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            receive = _LimitedReceive(scope, receive, self._settings)
        await self._app(scope, receive, send)


class _LimitedReceive:
    def __init__(self, scope: Scope, receive: Receive, settings: ServeSettings) -> None:
        self._receive, self._settings = receive, settings
        announced = Headers(scope=scope).get("content-length", "")
        self._announced = int(announced) if announced.isdecimal() else 0
        self._size, self._seconds, self._complete = 0, 0.0, False

    async def __call__(self) -> Message:
        if self._complete:  # the next message is the end of the connection
            return await self._receive()
        self._check_size(self._announced)
        started = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), self._settings.time_limit - self._seconds)
        except TimeoutError:
            limit = f"{self._settings.time_limit:g} s"
            sentence = f"The body did not arrive completely within the time limit, {limit}."
            raise HTTPException(408, sentence, {"Connection": "close"}) from None
        self._seconds += time.monotonic() - started
        self._size += len(message.get("body", b""))
        self._check_size(self._size)
        self._complete = not message.get("more_body", False)
        return message

    def _check_size(self, size: int) -> None:
        limit = self._settings.max_body_bytes
        if size > limit:
            raise HTTPException(413, f"body: expected at most {limit} bytes, found more.")
