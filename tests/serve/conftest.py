"""A model of random vectors with three words, and a predictor that tests can hold back."""

import asyncio
import contextlib
import threading
from argparse import Namespace
from dataclasses import replace

import httpx2
import numpy as np
import pytest

from benchmarks.latency import random_model
from xcgraph.predict.predictor import Predictor
from xcgraph.serve.app import create_app
from xcgraph.text.fitted_vectorizer import FittedVectorizer

WORDS = ("apple", "pear", "red")


class HeldPredictor(Predictor):
    """A predictor that records its calls, and answers only while ``go`` is set.

    Attributes:
        asked: the inputs of each call.
        started: event that is set when a call starts.
        go: event that lets calls continue.
        error: exception to raise instead of an answer, or None.
    """

    def __init__(self, model):
        super().__init__(model)
        self.asked, self.error = [], None
        self.started, self.go = threading.Event(), threading.Event()
        self.go.set()

    def predict(self, inputs, top_k=5, *, explain=False):
        self.asked.append(list(inputs))
        self.started.set()
        assert self.go.wait(20)
        if self.error is not None:
            raise self.error
        return super().predict(inputs, top_k, explain=explain)


@pytest.fixture(scope="session")
def sparse_model():
    """A model without a vocabulary and without label names."""
    sizes = {"labels": 120, "meta_labels": 30, "dim": 8, "tokens": len(WORDS), "beam": 4, "trees": 2}
    return random_model(Namespace(**sizes))


@pytest.fixture(scope="session")
def model(sparse_model):
    vectorizer = FittedVectorizer(WORDS, np.array([1, 2, 3], np.float32))
    names = tuple(f"label {number} ☃" for number in range(sparse_model.num_labels))
    return replace(sparse_model, vocabulary=WORDS, vectorizer=vectorizer, label_names=names)


@pytest.fixture
def predictor(model):
    return HeldPredictor(model)


@pytest.fixture
def connect():
    """Return a context manager that runs an application and yields a client."""

    @contextlib.asynccontextmanager
    async def connected(predictor, settings):
        app = create_app(predictor, settings)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        client = httpx2.AsyncClient(transport=transport, base_url="http://server")
        async with app.router.lifespan_context(app), client:
            yield client

    return connected


async def until(condition):
    """Run other tasks until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
