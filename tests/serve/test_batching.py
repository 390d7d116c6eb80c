"""What comes together is predicted together; nobody waits for ever, and nobody pays for another's mistake."""

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
    """Ask until so many inputs wait: what is no prediction is answered meanwhile."""
    async with asyncio.timeout(20):
        while (await client.get("/health")).json()["waiting_inputs"] < count:
            await asyncio.sleep(0.001)


def test_requests_that_wait_are_predicted_in_one_call(predictor, connect, model):
    """Each gets its own labels, as many as it asked for, explained where it asked."""
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


def test_a_request_that_is_alone_waits_no_longer_than_that(predictor, connect):
    async def scenario():
        async with connect(predictor, ServeSettings(gather_ms=20.0)) as client:
            return await post(client, "red")

    assert asyncio.run(scenario()).status_code == 200
    assert predictor.asked == [["red"]]


def test_a_batch_is_full_at_its_size(predictor, connect):
    async def scenario():
        async with connect(predictor, ServeSettings(gather_ms=10_000.0, batch_size=3)) as client:
            await asyncio.gather(*(post(client, "red") for _ in range(6)))

    asyncio.run(scenario())

    assert [len(inputs) for inputs in predictor.asked] == [3, 3]


def test_a_full_queue_sends_away(predictor, connect):
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
            assert (await post(client)).status_code == 503  # nor is there room to ask about nothing
            predictor.go.set()
            return refused, await asyncio.gather(first, second, empty)

    refused, answers = asyncio.run(scenario())

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json()["error"].startswith("expected room for 2 inputs in a queue of 3, found 2 waiting")
    assert [answer.status_code for answer in answers] == [200] * 3


def test_an_answer_that_is_late_is_given_up_and_not_predicted_afterwards(predictor, connect):
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
    assert late[0].json() == {"error": "expected an answer within 1 seconds, found none."}
    assert answer.status_code == 200
    assert predictor.asked == [["apple"], ["red"]]


def test_a_defect_costs_its_requests_and_not_the_server(predictor, connect):
    async def scenario():
        async with connect(predictor, ServeSettings()) as client:
            predictor.error = RuntimeError("a defect")
            broken = await asyncio.gather(post(client, "red"), post(client, "pear"))
            predictor.error = None
            return broken, await post(client, "red")

    broken, answer = asyncio.run(scenario())

    assert [each.status_code for each in broken] == [500, 500]
    assert broken[0].json() == {"error": "the server has a defect; its log says more."}
    assert answer.status_code == 200


def test_the_end_waits_for_what_is_queued(predictor):
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
