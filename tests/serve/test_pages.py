"""The pages for people need no internet, and the page at / sends requests that the server accepts."""

import re

import pytest
from fastapi.testclient import TestClient

from xcgraph.predict.predictor import Predictor
from xcgraph.serve.app import create_app
from xcgraph.serve.schema import Health, Label, Neighbour, Prediction, Score, Tree
from xcgraph.serve.settings import ServeSettings


@pytest.fixture(scope="module")
def client(model):
    with TestClient(create_app(Predictor(model), ServeSettings())) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_page_loads_nothing_from_other_hosts(path, client):
    page = client.get(path)

    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "//" not in re.sub(r"^\s*//.*", "", re.sub(r"<!--.*?-->", "", page.text), flags=re.MULTILINE)
    for address in re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page.text):
        assert address == "data:," or client.get(f"/{address}").status_code == 200, address


def test_docs_page_has_its_script_and_style(client):
    script, style = client.get("/docs/swagger-ui-bundle.js"), client.get("/docs/swagger-ui.css")

    assert script.headers["Content-Type"].startswith("text/javascript")
    assert style.headers["Content-Type"].startswith("text/css")
    assert "SwaggerUIBundle" in script.text
    assert ".swagger-ui" in style.text
    assert '"validatorUrl": null' in client.get("/docs").text
    assert client.get("/docs/redoc.standalone.js").status_code == 404


def test_page_may_connect_to_its_own_server_only(client):
    policy = client.get("/").headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy


def test_page_uses_fields_that_the_server_sends(client):
    script = client.get("/").text.partition("<script>")[2]
    known = {
        "health": Health,
        "prediction": Prediction,
        "label": Label,
        "tree": Tree,
        "tree.meta": Score,
        "tree.score": Score,
        "each": Neighbour,
    }
    used = {
        (name, field)
        for name in known
        for field in re.findall(rf"(?<![\w.]){re.escape(name)}\.(\w+)", script)
    }

    assert {name for name, _ in used} == set(known)
    for name, field in used:
        assert field in known[name].model_fields, (name, field)


def test_page_never_reads_names_as_html(client):
    script = client.get("/").text.partition("<script>")[2]

    assert "textContent" in script
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
