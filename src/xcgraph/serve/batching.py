"""Predicts concurrent requests in batches, in a thread beside the event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import point_record, to_json
from xcgraph.serve.metrics import Metrics
from xcgraph.serve.settings import ServeSettings


class QueueFullError(Exception):
    """The queue has no room for a request; the client should try again later."""


@dataclass(frozen=True)
class PendingRequest:
    """A request for predictions.

    Attributes:
        items: inputs that the predictor has accepted.
        top_k: maximum number of labels per input.
        explain: whether to explain each score.
    """

    items: Sequence[object]
    top_k: int
    explain: bool

    @property
    def size(self) -> int:
        """The room that the request takes in the queue; even a request without inputs takes some."""
        return max(len(self.items), 1)


@dataclass(frozen=True)
class _QueuedRequest:
    request: PendingRequest
    answer: asyncio.Future[bytes]


class Batcher:
    """A queue in front of a predictor.

    Args:
        predictor: the predictor; one thread at a time calls it.
        settings: sizes and times.
        metrics: measurements of the queue and of batches.

    Attributes:
        num_waiting: number of inputs in the queue.
    """

    def __init__(self, predictor: Predictor, settings: ServeSettings, metrics: Metrics) -> None:
        self._predictor, self._settings, self._metrics = predictor, settings, metrics
        self._queue: asyncio.Queue[_QueuedRequest] = asyncio.Queue()
        self.num_waiting = 0

    async def ask(self, request: PendingRequest) -> bytes:
        """Return the JSON of the answer.

        Raises:
            QueueFullError: the queue has no room for the request.
            TimeoutError: the prediction took longer than the time limit.
        """
        size = self._settings.queue_size
        if self.num_waiting + request.size > size:
            raise QueueFullError(
                f"The queue holds {size} inputs, of which {self.num_waiting} are taken; "
                f"{request.size} more do not fit. Try again later."
            )
        self._count(request.size)
        queued = _QueuedRequest(request, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(queued)
        async with asyncio.timeout(self._settings.time_limit):
            return await queued.answer

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer requests inside the context; on exit, first answer the requests in the queue."""
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
            # A request whose time limit has passed is done already.
            open_requests = [queued for queued in batch if not queued.answer.done()]
            requests = [queued.request for queued in open_requests]
            try:
                answers = await loop.run_in_executor(thread, self._predict, requests)
            except Exception as error:  # a defect fails this batch, and the server goes on
                for queued in open_requests:
                    if not queued.answer.done():
                        queued.answer.set_exception(error)
            else:
                for queued, answer in zip(open_requests, answers, strict=True):
                    if not queued.answer.done():
                        queued.answer.set_result(answer)
            for _ in batch:
                self._queue.task_done()

    async def _gather(self) -> list[_QueuedRequest]:
        """Wait for one request, then for more until the batch is full or ``gather_ms`` have passed."""
        batch = [await self._queue.get()]
        size = batch[0].request.size
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.gather_ms / 1000):
                while size < self._settings.batch_size:
                    batch.append(await self._queue.get())
                    size += batch[-1].request.size
        self._count(-size)
        return batch

    def _predict(self, requests: Sequence[PendingRequest]) -> list[bytes]:
        """Answer requests with at most two predictions: one with and one without explanations."""
        answers: dict[int, bytes] = {}
        for explain in (False, True):
            positions = [position for position, each in enumerate(requests) if each.explain is explain]
            if positions:
                found = self._predict_same([requests[position] for position in positions], explain=explain)
                answers |= dict(zip(positions, found, strict=True))
        return [answers[position] for position in range(len(requests))]

    def _predict_same(self, requests: Sequence[PendingRequest], *, explain: bool) -> list[bytes]:
        """Answer requests that agree on ``explain`` with one prediction."""
        items = [item for request in requests for item in request.items]
        self._metrics.batches.observe(len(items))
        top_k = max(request.top_k for request in requests)
        predictions = self._predictor.predict(items, top_k, explain=explain)
        points = iter(range(len(items)))
        answers = []
        for request in requests:
            records = [point_record(predictions, next(points), request.top_k) for _ in request.items]
            answers.append(to_json({"predictions": records}).encode())
        return answers

    def _count(self, change: int) -> None:
        self.num_waiting += change
        self._metrics.waiting.set(self.num_waiting)
