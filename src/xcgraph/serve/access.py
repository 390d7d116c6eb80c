"""Controls who may use the server: the bearer token of clients, and the web origins that browsers allow."""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from fastapi.params import Security
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from xcgraph.errors import UserError
from xcgraph.predict.records import to_json

# Pages and health checks need no token: they do not predict, and list no labels.
OPEN_PATHS = ("/", "/health", "/openapi.json", "/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css")

_ORIGIN = re.compile(r"https?://[^/\s?#]+")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may use the server.

    Attributes:
        cors_origins: web origins whose pages may send requests from a browser; ``*`` for every origin.
        token: bearer token that clients must send; None if the server is open.

    Raises:
        UserError: an origin is not of the form ``https://example.org``, or the token is malformed.
    """

    cors_origins: tuple[str, ...] = ()
    token: str | None = None

    def __post_init__(self) -> None:
        for origin in self.cors_origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise UserError(
                    f"cors: expected an origin such as https://example.org, without a path, found {origin!r}."
                )
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise UserError("token: expected one line of letters, digits and ._~+/- without spaces.")

    @property
    def dependencies(self) -> list[Security]:
        """The security scheme for the OpenAPI document; :class:`BearerToken` does the checking."""
        scheme = HTTPBearer(auto_error=False, description="The token of this server.")
        return [] if self.token is None else [Security(scheme)]


def read_token(file: str | Path) -> str:
    """Return the token in a file, without the line end.

    Raises:
        UserError: the file cannot be read or is empty.
    """
    try:
        token = Path(file).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "text that is not UTF-8"
        raise UserError(f"{file}: expected a file with a token, found: {reason}.") from error
    if not token:
        raise UserError(f"{file}: expected a file with a token, found an empty one.")
    return token


class BearerToken:
    """Middleware that refuses requests without the token before it reads their bodies.

    Args:
        app: application that answers requests with the token, and all requests for ``OPEN_PATHS``.
        token: the token.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with status 401."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._has_token(scope):
            await self._app(scope, receive, send)
            return
        sentence = "Authorization: expected the header 'Authorization: Bearer TOKEN' with the server's token."
        headers = {"WWW-Authenticate": "Bearer"}
        await Response(to_json({"error": sentence}), 401, headers, "application/json")(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), self._expected)
