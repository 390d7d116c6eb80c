"""The web application: its paths, and a one-sentence error for every request that it refuses."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from xcgraph import __version__
from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import to_json
from xcgraph.serve.access import Access, BearerToken
from xcgraph.serve.batching import Batcher, PendingRequest, QueueFullError
from xcgraph.serve.limits import LimitedBodies
from xcgraph.serve.metrics import MeasuredApp, Metrics
from xcgraph.serve.pages import add_pages
from xcgraph.serve.schema import (
    AnyRequest,
    Failure,
    Health,
    LabelPage,
    NamedLabel,
    PredictAnswer,
    request_model,
)
from xcgraph.serve.settings import ServeSettings

_RETRY_AFTER = "1"  # second
_MEASURED_PATHS = ("/", "/predict", "/labels", "/health", "/metrics", "/docs")
_MAX_LABELS = 1000  # per page of /labels
_SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
_REFUSALS: dict[int, str] = {
    401: "The request has no token, or the wrong one.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    422: "The request is malformed, or the model cannot read an input.",
    500: "The server has a defect.",
    503: "The queue is full.",
    504: "The prediction took too long.",
}


def create_app(predictor: Predictor, settings: ServeSettings, access: Access | None = None) -> FastAPI:
    """Build an ASGI application that predicts.

    Args:
        predictor: the predictor that labels the inputs.
        settings: limits and batching.
        access: token and web origins; None for an open server that only its own pages use from a browser.
    """
    access = access or Access()
    metrics = Metrics()
    batcher = Batcher(predictor, settings, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batcher.running():
            yield

    app = FastAPI(
        title="xcgraph",
        version=__version__,
        description=f"Labels texts and bags of tokens with a model trained on {predictor.model.data}.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=_SILENT,
    )
    add_pages(app)
    _add_predict(app, predictor, batcher, settings, access)
    _add_labels(app, predictor, access)
    _add_status(app, predictor, batcher, metrics, access)
    _add_refusals(app, settings)
    _add_middleware(app, settings, metrics, access)
    return app


def _add_middleware(app: FastAPI, settings: ServeSettings, metrics: Metrics, access: Access) -> None:
    """Wrap the application; the last middleware is the first that sees a request."""
    app.add_middleware(LimitedBodies, settings=settings)
    if access.token is not None:
        app.add_middleware(BearerToken, token=access.token)
    app.add_middleware(MeasuredApp, metrics=metrics, paths=_MEASURED_PATHS)
    if access.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=access.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )


def _described_refusals(access: Access, *statuses: int) -> dict[int | str, dict[str, Any]]:
    described = statuses if access.token is None else (401, *statuses)
    return {status: {"model": Failure, "description": _REFUSALS[status]} for status in described}


def _add_predict(
    app: FastAPI, predictor: Predictor, batcher: Batcher, settings: ServeSettings, access: Access
) -> None:
    allowed = request_model(predictor, settings)
    refusals = _described_refusals(access, 408, 413, 422, 500, 503, 504)
    refusals[503]["headers"] = {
        "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
    }

    @app.post(
        "/predict",
        responses={200: {"model": PredictAnswer}, **refusals},
        dependencies=access.dependencies,
    )
    async def predict(body: allowed) -> Response:  # type: ignore[valid-type]
        """Label texts or bags of tokens."""
        return Response(await batcher.ask(_pending(body, settings)), media_type="application/json")


def _pending(body: AnyRequest, settings: ServeSettings) -> PendingRequest:
    if body.explain and len(body.inputs) > settings.max_explained:
        raise UserError(
            f"inputs: expected at most {settings.max_explained} with explain, found {len(body.inputs)}."
        )
    return PendingRequest(body.inputs, body.top_k, body.explain)


def _add_labels(app: FastAPI, predictor: Predictor, access: Access) -> None:
    model = predictor.model
    names, ids, total = model.label_names, model.label_ids, model.num_labels

    @app.get("/labels", responses=_described_refusals(access, 422), dependencies=access.dependencies)
    async def list_labels(
        offset: Annotated[int, Query(ge=0, description="Number of the first label.")] = 0,
        limit: Annotated[int, Query(ge=1, le=_MAX_LABELS, description="Maximum number of labels.")] = 100,
    ) -> LabelPage:
        """List the labels of the model, page by page."""
        end = min(offset + limit, total)
        labels = [
            NamedLabel(label=label, id=ids[label] if ids else None, name=names[label] if names else None)
            for label in range(offset, end)
        ]
        return LabelPage(total=total, next_offset=end if end < total else None, labels=labels)


def _add_status(
    app: FastAPI, predictor: Predictor, batcher: Batcher, metrics: Metrics, access: Access
) -> None:
    model = predictor.model

    @app.get("/health")
    async def health() -> Health:
        """Confirm that the server answers, and describe its model."""
        return Health(
            status="ok",
            version=__version__,
            data=model.data,
            labels=model.num_labels,
            tokens=model.num_tokens,
            trees=len(model.trees),
            top_k=model.top_k,
            reads_text=model.vectorizer is not None,
            needs_token=access.token is not None,
            waiting_inputs=batcher.num_waiting,
        )

    responses = {
        200: {"content": {"text/plain": {}}, "description": "Measurements in Prometheus's text format."},
        **_described_refusals(access),
    }

    @app.get("/metrics", responses=responses, response_class=Response, dependencies=access.dependencies)
    async def show_metrics() -> Response:
        """Report counts and times for Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _add_refusals(app: FastAPI, settings: ServeSettings) -> None:
    """Turn every exception into a status and a JSON object with one sentence."""

    async def refuse_http(_: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # FastAPI raises it if json.loads fails on the bytes of a body
            return _refusal(
                422, "body: expected JSON in UTF-8, found other bytes or nesting that is too deep."
            )
        return _refusal(error.status_code, str(error.detail), error.headers)

    async def refuse_body(_: Request, error: RequestValidationError) -> Response:
        return _refusal(422, _sentence(error.errors()))

    async def refuse_input(_: Request, error: UserError) -> Response:
        return _refusal(422, str(error))

    async def refuse_more(_: Request, error: QueueFullError) -> Response:
        return _refusal(503, str(error), {"Retry-After": _RETRY_AFTER})

    async def give_up(*_: object) -> Response:
        return _refusal(504, f"The prediction took longer than the time limit, {settings.time_limit:g} s.")

    async def admit_defect(*_: object) -> Response:
        return _refusal(500, "The server has a defect; its log has the details.")

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
    """Return the first of pydantic's errors as a sentence: the key, and what is wrong with its value."""
    error = errors[0]
    if error["type"] == "json_invalid":
        return f"body: expected JSON, found {error['ctx']['error']} at character {error['loc'][1]}."
    if isinstance(error["input"], bytes):
        return "body: expected JSON with the header Content-Type: application/json, found another type."
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"][1:])
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{''.join(steps).lstrip('.') or 'body'}: {error['msg']}{more}"
