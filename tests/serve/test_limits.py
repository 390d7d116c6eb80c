"""A body must arrive within the time limit, in any number of parts."""

import asyncio

import pytest

from xcgraph.serve.app import create_app
from xcgraph.serve.settings import ServeSettings

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/predict",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json")],
}


@pytest.mark.parametrize(("pause", "limit", "status"), [(0.0, 60.0, 200), (0.2, 0.5, 408)])
def test_late_body_is_refused(pause, limit, status, predictor):
    """The parts arrive one by one, as from a network; the transport of httpx would wait for all of them."""
    parts, sent = iter([b'{"inputs"', b": ", b"[]", b"}"]), []

    async def receive():
        await asyncio.sleep(pause)
        part = next(parts, b"")
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    async def send(message):
        sent.append(message)

    async def scenario():
        app = create_app(predictor, ServeSettings(time_limit=limit))
        async with app.router.lifespan_context(app):
            await app(SCOPE, receive, send)

    asyncio.run(scenario())

    head, body = sent
    is_late = status == 408
    assert head["status"] == status
    assert ((b"connection", b"close") in head["headers"]) == is_late
    assert (b"within the time limit, 0.5 s" in body["body"]) == is_late
    assert len(predictor.asked) == (not is_late)
