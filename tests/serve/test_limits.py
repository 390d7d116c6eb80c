"""A body has so long to arrive, in however many parts."""

import asyncio

from xcgraph.serve.app import create_app
from xcgraph.serve.settings import ServeSettings


async def slow_body(pause):
    for part in (b'{"inputs"', b": [", b"]}"):
        yield part
        await asyncio.sleep(pause)


def test_a_body_that_is_late_is_not_waited_for(predictor):
    """It comes as a program's own messages: httpx's transport would wait for the whole of it."""
    sent = []

    async def scenario(pause):
        parts = aiter(slow_body(pause))

        async def receive():
            body = await anext(parts, b"")
            return {"type": "http.request", "body": body, "more_body": bool(body)}

        async def send(message):
            sent.append(message)

        app = create_app(predictor, ServeSettings(time_limit=0.5))
        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers}
        async with app.router.lifespan_context(app):
            await app({**scope, "query_string": b"", "asgi": {"version": "3.0"}}, receive, send)

    asyncio.run(scenario(0.3))
    late, late_body = sent
    sent.clear()
    asyncio.run(scenario(0.0))
    prompt, _ = sent

    assert (late["status"], prompt["status"]) == (408, 200)
    assert (b"connection", b"close") in late["headers"]
    assert (
        late_body["body"] == b'{"error": "expected a body within 0.5 seconds, found none, or a part of it."}'
    )
    assert predictor.asked == [[]]
