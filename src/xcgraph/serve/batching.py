"""Requests that come together are predicted together, in a thread beside the one that talks to clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import label_record, to_json
from xcgraph.serve.metrics import Metrics
from xcgraph.serve.settings import ServeSettings


class QueueFullError(Exception):
    """So much waits that a request had better come again later."""


@dataclass(frozen=True)
class PendingRequest:
    """What one request asks.

    Attributes:
        items: checked inputs of the predictor.
        top_k: labels per input.
        explain: whether to say how each score came to be.
    """

    items: Sequence[object]
    top_k: int
    explain: bool

    @property
    def size(self) -> int:
        """The room that it takes in the queue: a question about nothing takes some, too."""
        return max(len(self.items), 1)


@dataclass(frozen=True)
class _Waiting:
    question: PendingRequest
    answer: asyncio.Future[bytes]


class Batcher:
    """A queue before a predictor.

    Args:
        predictor: is asked by one thread at a time.
        settings: sizes and times.
        metrics: learns of the queue and of batches.

    Attributes:
        num_waiting: inputs in the queue.
    """

    def __init__(self, predictor: Predictor, settings: ServeSettings, metrics: Metrics) -> None:
        self._predictor, self._settings, self._metrics = predictor, settings, metrics
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self.num_waiting = 0

    async def ask(self, question: PendingRequest) -> bytes:
        """Return the JSON of an answer.

        Raises:
            QueueFullError: there is no room for the question.
            TimeoutError: the answer took too long.
        """
        if self.num_waiting + question.size > self._settings.queue_size:
            raise QueueFullError(
                f"expected room for {question.size} inputs in a queue of {self._settings.queue_size}, "
                f"found {self.num_waiting} waiting; come again later."
            )
        self._count(question.size)
        waiting = _Waiting(question, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        async with asyncio.timeout(self._settings.time_limit):
            return await waiting.answer

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer questions; at the end, first those that still wait."""
        with ThreadPoolExecutor(1, "predict") as thread:
            task = asyncio.create_task(self._answer_all(thread))
            try:
                yield
            finally:
                await self._queue.join()
                task.cancel()

    async def _answer_all(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._gather()
            asked = [waiting for waiting in batch if not waiting.answer.done()]  # the others' time is up
            try:
                answers = await loop.run_in_executor(thread, self._predict, [each.question for each in asked])
            except Exception as error:  # a defect costs these requests, not the server
                for waiting in asked:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(error)
            else:
                for waiting, answer in zip(asked, answers, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(answer)
            for _ in batch:
                self._queue.task_done()

    async def _gather(self) -> list[_Waiting]:
        """Wait for a question, and for others a little longer; they stay in order."""
        batch = [await self._queue.get()]
        size = batch[0].question.size
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.gather_ms / 1000):
                while size < self._settings.batch_size:
                    batch.append(await self._queue.get())
                    size += batch[-1].question.size
        self._count(-size)
        return batch

    def _predict(self, questions: Sequence[PendingRequest]) -> list[bytes]:
        """Answer questions, those with and those without explanations in one go each."""
        answers: dict[int, bytes] = {}
        for explain in (False, True):
            places = [place for place, each in enumerate(questions) if each.explain is explain]
            if places:
                found = self._predict_alike([questions[place] for place in places], explain=explain)
                answers |= dict(zip(places, found, strict=True))
        return [answers[place] for place in range(len(questions))]

    def _predict_alike(self, questions: Sequence[PendingRequest], *, explain: bool) -> list[bytes]:
        items = [item for question in questions for item in question.items]
        self._metrics.batches.observe(len(items))
        top_k = max(question.top_k for question in questions)
        found = self._predictor.predict(items, top_k, explain=explain)
        points = iter(found)
        answers = []
        for question in questions:
            predictions = [
                {"labels": [label_record(each, found.label_names) for each in next(points)[: question.top_k]]}
                for _ in question.items
            ]
            answers.append(to_json({"predictions": predictions}).encode())
        return answers

    def _count(self, change: int) -> None:
        self.num_waiting += change
        self._metrics.waiting.set(self.num_waiting)
