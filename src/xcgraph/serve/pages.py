"""Pages for people: one to try the model, and one that documents the API. Neither needs the internet."""

from importlib import resources

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response

_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_NO_ICON = "data:,"
# The page loads nothing, and sends requests to this server only.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def add_pages(app: FastAPI) -> None:
    """Add ``GET /`` and ``GET /docs``; their addresses are relative, so that proxies may add a prefix."""
    page = resources.files("xcgraph.serve").joinpath("page.html").read_text("utf-8")

    @app.get("/", include_in_schema=False)
    async def try_page() -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    @app.get("/docs", include_in_schema=False)
    async def docs_page() -> Response:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{app.title}: API",
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url=_NO_ICON,
            swagger_ui_parameters={"validatorUrl": None},  # Swagger UI's default is a public service
        )

    for name in _ASSETS:
        _add_asset(app, name)


def _add_asset(app: FastAPI, name: str) -> None:
    file = resources.files("fastapi_offline").joinpath("static", name)

    # A plain function: FastAPI runs it in a thread, because it reads more than a megabyte.
    @app.get(f"/docs/{name}", include_in_schema=False)
    def asset() -> Response:
        return Response(file.read_bytes(), media_type=_ASSETS[name])
