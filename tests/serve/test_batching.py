"""Concurrent requests share a batch, have a time limit, and do not fail because of other requests."""

import asyncio
import json

from xcgraph.predict.predictor import Predictor
from xcgraph.serve.batching import Batcher, PendingRequest
from xcgraph.serve.metrics import Metrics
from xcgraph.serve.settings import ServeSettings

from .conftest import until


def post(client, *inputs, **rest):
    return asyncio.create_task(client.post("/predict", json={"inputs": list(inputs), **rest}))


async def waiting(client, count):
    """Poll the server until a number of inputs wait; it answers /health while it predicts."""
    async with asyncio.timeout(20):
        while (await client.get("/health")).json()["waiting_inputs"] < count:
            await asyncio.sleep(0.001)


def test_waiting_requests_are_predicted_in_one_call(predictor, connect, model):
    """Each request gets its own labels, in the requested number and with the requested explanations."""
    asked = [(["red"], 3, False), (["pear", "apple"], 7, False), ([""], 5, False), (["red pear"], 2, True)]

    async def scenario():
        async with connect(predictor, ServeSettings(gather_ms=0.0)) as client:
            predictor.go.clear()
            first = post(client, "apple")
            await until(predictor.started.is_set)
            others = [post(client, *items, top_k=k, explain=explain) for items, k, explain in asked]
            await waiting(client, 5)
            predictor.go.set()
            return await asyncio.gather(first, *others)

    answers = asyncio.run(scenario())

    assert predictor.asked == [["apple"], ["red", "pear", "apple", ""], ["red pear"]]
    assert [answer.status_code for answer in answers] == [200] * 5
    alone = Predictor(model)
    for answer, (items, k, explain) in zip(answers[1:], asked, strict=True):
        points = answer.json()["predictions"]
        found = [[label["label"] for label in point["labels"]] for point in points]
        assert found == alone.predict(items, k).labels.tolist()
        assert all(("trees" in label) == explain for point in points for label in point["labels"])


def test_single_request_waits_no_longer_than_gather_ms(predictor, connect):
    async def scenario():
        async with connect(predictor, ServeSettings(gather_ms=20.0)) as client:
            return await post(client, "red")

    assert asyncio.run(scenario()).status_code == 200
    assert predictor.asked == [["red"]]


def test_full_batch_does_not_wait(predictor, connect):
    async def scenario():
        async with connect(predictor, ServeSettings(gather_ms=10_000.0, batch_size=3)) as client:
            await asyncio.gather(*(post(client, "red") for _ in range(6)))

    asyncio.run(scenario())

    assert [len(inputs) for inputs in predictor.asked] == [3, 3]


def test_full_queue_refuses_requests(predictor, connect):
    async def scenario():
        settings = ServeSettings(gather_ms=0.0, max_inputs=2, queue_size=3)
        async with connect(predictor, settings) as client:
            predictor.go.clear()
            first = post(client, "apple")
            await until(predictor.started.is_set)
            second = post(client, "red", "pear")
            await waiting(client, 2)
            refused = await post(client, "red", "pear")
            empty = post(client)
            await waiting(client, 3)
            assert (await post(client)).status_code == 503  # an empty request takes room, too
            predictor.go.set()
            return refused, await asyncio.gather(first, second, empty)

    refused, answers = asyncio.run(scenario())

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json()["error"].startswith("The queue holds 3 inputs, of which 2 are taken; 2 more do not")
    assert [answer.status_code for answer in answers] == [200] * 3


def test_late_request_is_given_up_and_not_predicted_later(predictor, connect):
    async def scenario():
        async with connect(predictor, ServeSettings(gather_ms=0.0, time_limit=1.0)) as client:
            predictor.go.clear()
            first = post(client, "apple")
            await until(predictor.started.is_set)
            late = await asyncio.gather(first, post(client, "pear"))
            predictor.go.set()
            return late, await post(client, "red")

    late, answer = asyncio.run(scenario())

    assert [each.status_code for each in late] == [504, 504]
    assert late[0].json() == {"error": "The prediction took longer than the time limit, 1 s."}
    assert answer.status_code == 200
    assert predictor.asked == [["apple"], ["red"]]


def test_defect_fails_its_requests_and_not_the_server(predictor, connect):
    async def scenario():
        async with connect(predictor, ServeSettings()) as client:
            predictor.error = RuntimeError("a defect")
            broken = await asyncio.gather(post(client, "red"), post(client, "pear"))
            predictor.error = None
            return broken, await post(client, "red")

    broken, answer = asyncio.run(scenario())

    assert [each.status_code for each in broken] == [500, 500]
    assert broken[0].json() == {"error": "The server has a defect; its log has the details."}
    assert answer.status_code == 200


def test_shutdown_answers_queued_requests(predictor):
    async def scenario():
        batcher = Batcher(predictor, ServeSettings(gather_ms=0.0), Metrics())
        async with batcher.running():
            predictor.go.clear()
            tasks = [
                asyncio.create_task(batcher.ask(PendingRequest([word], 2, False))) for word in ("red", "pear")
            ]
            await until(predictor.started.is_set)
            asyncio.get_running_loop().call_later(0.1, predictor.go.set)
        return await asyncio.gather(*tasks)

    answers = asyncio.run(scenario())

    assert [len(json.loads(answer)["predictions"][0]["labels"]) for answer in answers] == [2, 2]
