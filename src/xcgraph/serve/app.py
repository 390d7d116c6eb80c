"""The web application: what it answers, and in which words it refuses."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from xcgraph import __version__
from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import to_json
from xcgraph.serve.batching import Batcher, PendingRequest, QueueFullError
from xcgraph.serve.limits import LimitedBodies
from xcgraph.serve.metrics import MeasuredApp, Metrics
from xcgraph.serve.schema import AnyRequest, Failure, Health, PredictAnswer, request_model
from xcgraph.serve.settings import ServeSettings

_RETRY_AFTER = "1"  # second
_PATHS = ("/predict", "/health", "/metrics")
_SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
_REFUSALS: dict[int, str] = {
    408: "The body has not come in time.",
    413: "The body is too large.",
    422: "The body is no such request.",
    500: "A defect of the server.",
    503: "Too much waits already.",
    504: "The answer has taken too long.",
}


def create_app(predictor: Predictor, settings: ServeSettings) -> FastAPI:
    """Make an ASGI application that predicts.

    Args:
        predictor: the model.
        settings: limits, and how requests are gathered.
    """
    metrics = Metrics()
    batcher = Batcher(predictor, settings, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batcher.running():
            yield

    app = FastAPI(
        title="xcgraph",
        version=__version__,
        description=f"Labels of {predictor.model.data} for texts and bags of tokens.",
        lifespan=lifespan,
        redoc_url=None,
        telemetry=_SILENT,
    )
    _add_predict(app, predictor, batcher, settings)
    _add_status(app, predictor, batcher, metrics)
    _add_refusals(app, settings)
    app.add_middleware(LimitedBodies, settings=settings)
    app.add_middleware(MeasuredApp, metrics=metrics, paths=_PATHS)
    return app


def _add_predict(app: FastAPI, predictor: Predictor, batcher: Batcher, settings: ServeSettings) -> None:
    allowed = request_model(predictor, settings)
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Failure, "description": description} for status, description in _REFUSALS.items()
    }
    refusals[503]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}

    @app.post("/predict", responses={200: {"model": PredictAnswer}, **refusals})
    async def predict(body: allowed) -> Response:  # type: ignore[valid-type]
        """Label texts or bags of tokens."""
        return Response(await batcher.ask(_question(body, settings)), media_type="application/json")


def _question(body: AnyRequest, settings: ServeSettings) -> PendingRequest:
    if body.explain and len(body.inputs) > settings.max_explained:
        raise UserError(
            f"inputs: expected at most {settings.max_explained} to explain, found {len(body.inputs)}."
        )
    return PendingRequest(body.inputs, body.top_k, body.explain)


def _add_status(app: FastAPI, predictor: Predictor, batcher: Batcher, metrics: Metrics) -> None:
    model = predictor.model

    @app.get("/health")
    async def health() -> Health:
        """Tell that the server answers, and what it serves."""
        return Health(
            status="ok",
            version=__version__,
            data=model.data,
            labels=model.num_labels,
            tokens=model.num_tokens,
            trees=len(model.trees),
            top_k=model.top_k,
            reads_text=model.vectorizer is not None,
            waiting_inputs=batcher.num_waiting,
        )

    measured: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/plain": {}}, "description": "Prometheus's text format."}
    }

    @app.get("/metrics", responses=measured, response_class=Response)
    async def show_metrics() -> Response:
        """Show counts and times to Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _add_refusals(app: FastAPI, settings: ServeSettings) -> None:
    """Answer everything that is refused with one sentence."""

    async def refuse_http(_: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # FastAPI's, of a body that json.loads chokes on
            return _refusal(422, "body: expected JSON, found what cannot be read as such.")
        return _refusal(error.status_code, str(error.detail), error.headers)

    async def refuse_body(_: Request, error: RequestValidationError) -> Response:
        return _refusal(422, _sentence(error.errors()))

    async def refuse_input(_: Request, error: UserError) -> Response:
        return _refusal(422, str(error))

    async def refuse_more(_: Request, error: QueueFullError) -> Response:
        return _refusal(503, str(error), {"Retry-After": _RETRY_AFTER})

    async def give_up(*_: object) -> Response:
        return _refusal(504, f"expected an answer within {settings.time_limit:g} seconds, found none.")

    async def admit_defect(*_: object) -> Response:
        return _refusal(500, "the server has a defect; its log says more.")

    handlers: dict[Any, Any] = {
        HTTPException: refuse_http,
        RequestValidationError: refuse_body,
        UserError: refuse_input,
        QueueFullError: refuse_more,
        TimeoutError: give_up,
        Exception: admit_defect,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)


def _refusal(status: int, sentence: str, headers: Any = None) -> Response:  # noqa: ANN401 - Starlette's
    return Response(to_json({"error": sentence}), status, headers, "application/json")


def _sentence(errors: Sequence[Any]) -> str:
    """Say the first of pydantic's errors: where, and what is wrong there."""
    error = errors[0]
    if error["type"] == "json_invalid":
        return f"body: expected JSON, found {error['ctx']['error']} at character {error['loc'][1]}."
    if isinstance(error["input"], bytes):
        return "body: expected JSON, said to be so by the header Content-Type: application/json."
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"][1:])
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{''.join(steps).lstrip('.') or 'body'}: {error['msg']}{more}"
