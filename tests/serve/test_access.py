"""A token protects predictions and labels; browsers may send requests from allowed origins only."""

import pytest
from fastapi.testclient import TestClient

from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.serve.access import OPEN_PATHS, Access, read_token
from xcgraph.serve.app import create_app
from xcgraph.serve.settings import ServeSettings

BODY = {"inputs": ["red"], "top_k": 1}
ORIGIN = "https://example.org"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture(scope="module")
def client(model):
    access = Access(token="s3cret", cors_origins=(ORIGIN,))
    with TestClient(create_app(Predictor(model), ServeSettings(), access)) as client:
        yield client


@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret", "Bearer \xe9"],
)
def test_request_without_the_token_is_refused(header, client):
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}

    answers = [
        client.post("/predict", json=BODY, headers=headers),
        client.post("/predict", content=b"{", headers=headers),
        client.get("/labels", headers=headers),
        client.get("/metrics", headers=headers),
        client.get("/nothing", headers=headers),
    ]

    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer TOKEN" in answer.json()["error"]
        assert "s3cret" not in answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_request_with_the_token_is_answered(scheme, client):
    headers = {"Authorization": f"{scheme} s3cret"}

    assert client.post("/predict", json=BODY, headers=headers).status_code == 200
    assert client.get("/labels", headers=headers).status_code == 200
    assert client.get("/metrics", headers=headers).status_code == 200
    assert client.get("/nothing", headers=headers).status_code == 404


@pytest.mark.parametrize("path", OPEN_PATHS)
def test_pages_and_health_need_no_token(path, client):
    assert client.get(path).status_code == 200


def test_openapi_names_the_token_of_protected_paths(client):
    described = client.get("/openapi.json").json()

    secured = {
        path
        for path, methods in described["paths"].items()
        for each in methods.values()
        if each.get("security")
    }
    assert secured == {"/predict", "/labels", "/metrics"}
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert client.get("/health").json()["needs_token"] is True


def test_allowed_origin_gets_answers_and_refusals(client):
    """A preflight request has no token: browsers never send one with it."""
    preflight = client.options("/predict", headers={"Origin": ORIGIN, **PREFLIGHT})
    refused = client.post("/predict", json=BODY, headers={"Origin": ORIGIN})

    assert preflight.status_code == 200
    assert {"authorization", "content-type"} <= set(
        preflight.headers["Access-Control-Allow-Headers"].lower().split(", ")
    )
    assert refused.status_code == 401
    for answer in (preflight, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_other_origin_is_not_allowed(client):
    answer = client.options("/predict", headers={"Origin": "https://example.com", **PREFLIGHT})

    assert answer.status_code == 400
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_origin_is_allowed_by_default(model):
    with TestClient(create_app(Predictor(model), ServeSettings())) as client:
        answer = client.post("/predict", json=BODY, headers={"Origin": ORIGIN})

    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_star_allows_every_origin(model):
    with TestClient(create_app(Predictor(model), ServeSettings(), Access(cors_origins=("*",)))) as client:
        answer = client.post("/predict", json=BODY, headers={"Origin": ORIGIN})

    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "origin", ["example.org", "https://example.org/", "ftp://example.org", "", "https://a b"]
)
def test_malformed_origin_is_refused(origin):
    with pytest.raises(UserError, match=r"^cors: .*https://example\.org.*found") as error:
        Access(cors_origins=(origin,))
    assert repr(origin) in str(error.value)


def test_token_file_holds_one_token(tmp_path):
    (tmp_path / "token").write_text("abc123==\n")

    assert read_token(tmp_path / "token") == "abc123=="
    assert Access(token=read_token(tmp_path / "token")).token == "abc123=="


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "No such file"), (b" \n", "an empty one"), (b"\xff\xfe", "not UTF-8")],
    ids=["missing", "empty", "UTF-16"],
)
def test_unusable_token_file_is_refused(content, found, tmp_path):
    if content is not None:
        (tmp_path / "token").write_bytes(content)

    with pytest.raises(UserError, match=rf"token: expected a file with a token, found.* {found}"):
        read_token(tmp_path / "token")


@pytest.mark.parametrize("token", ["two words", "two\nlines", "é", ""])
def test_malformed_token_is_refused_without_showing_it(token):
    with pytest.raises(UserError, match=r"^token: expected one line") as error:
        Access(token=token)
    assert not token or token not in str(error.value)
