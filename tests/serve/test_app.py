"""The server answers with the labels of the predictor, and refuses a bad request in one sentence."""

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from xcgraph.predict.predictor import Predictor
from xcgraph.serve.app import create_app
from xcgraph.serve.schema import PredictAnswer
from xcgraph.serve.settings import ServeSettings

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(model):
    settings = ServeSettings(max_body_bytes=3000, max_inputs=10, max_explained=2, gather_ms=0.0)
    with TestClient(create_app(Predictor(model), settings)) as client:
        yield client


def labels_of(answer):
    return [[label["label"] for label in point["labels"]] for point in answer.json()["predictions"]]


def test_labels_of_texts_and_bags_match_the_predictor(client, model):
    inputs = ["red Apple", {"tokens": {"red": 0.5, "unknown": 1}}, {"features": {"2": 1, "0": 0.25}}, ""]
    inputs += [{"text": "pear", "id": 7}, "яблоко 🍏 red"]
    items = ["red Apple", {"red": 0.5}, {2: 1, 0: 0.25}, "", "pear", "red"]

    answer = client.post("/predict", json={"inputs": inputs, "top_k": 3})

    assert answer.status_code == 200
    expected = Predictor(model).predict(items, top_k=3)
    assert labels_of(answer) == expected.labels.tolist()
    for point, labels in zip(answer.json()["predictions"], expected, strict=True):
        assert [label["name"] for label in point["labels"]] == [each.name for each in labels]
        scores = [each.score for each in labels]
        assert [label["score"] for label in point["labels"]] == pytest.approx(scores, rel=1e-5)
    known = [point["known"] for point in answer.json()["predictions"]]
    assert known == expected.known.tolist() == [True, True, True, False, True, True]


def test_answer_has_the_described_fields_and_no_others(client, model):
    answers = [
        client.post("/predict", json={"inputs": ["red", "pear"], "explain": explain}).content
        for explain in (False, True)
    ]

    plain, explained = (
        TypeAdapter(PredictAnswer).validate_json(answer, extra="forbid", strict=True) for answer in answers
    )

    assert all(label.trees is None for point in plain.predictions for label in point.labels)
    for point in explained.predictions:
        assert len(point.labels) == 5
        for label in point.labels:
            assert len(label.trees) == len(model.trees)
            mean = sum(tree.score.score for tree in label.trees) / len(label.trees)
            assert mean == pytest.approx(label.score, rel=1e-4)


def test_whole_float_is_an_integer(client):
    assert len(labels_of(client.post("/predict", json={"inputs": ["red"], "top_k": 2.0}))[0]) == 2


def test_request_without_inputs_gets_no_predictions(client):
    assert client.post("/predict", json={"inputs": []}).json() == {"predictions": []}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "inputs: Field required"),
        ({"inputs": "red"}, "inputs: Input should be a valid list"),
        ({"inputs": ["a"] * 11}, "inputs: List should have at most 10 items"),
        ({"inputs": ["a"], "top_k": 0}, "top_k: Input should be greater than or equal to 1"),
        ({"inputs": ["a"], "top_k": 101}, "top_k: Input should be less than or equal to 100"),
        ({"inputs": ["a"], "top_k": 2.5}, "top_k: Input should be a valid integer"),
        ({"inputs": ["a"], "top_k": True}, "top_k: Input should be a valid integer"),
        ({"inputs": ["a"], "topk": 3}, "topk: Extra inputs are not permitted"),
        ({"inputs": ["a"], "explain": 1}, "explain: Input should be a valid boolean"),
        ({"inputs": ["a"] * 3, "explain": True}, "inputs: expected at most 2 with explain, found 3."),
        (
            {"inputs": ["a", 3]},
            "inputs[1]: expected a text or an object with one of text, tokens, features, found 3.",
        ),
        (
            {"inputs": [{"text": "a", "tokens": {}}]},
            "inputs[0]: expected a text or an object with one of text, tokens, features, found text and",
        ),
        ({"inputs": [{"features": {"3": 1}}]}, "inputs[0]: expected token columns from 0 to 2, found 3."),
        (
            {"inputs": [{"features": {"-1": 1}}]},
            "inputs[0]: features: expected column numbers as keys, found '-1'.",
        ),
        ({"inputs": [{"tokens": {"red": "1"}}]}, "inputs[0]: expected a finite weight"),
        ({"inputs": [{"tokens": {"red": 10**400}}]}, "inputs[0]: expected a finite weight"),
        ([1], "body: Input should be a valid dictionary"),
    ],
)
def test_bad_request_is_refused_with_key_and_value(body, sentence, client):
    answer = client.post("/predict", json=body)

    assert answer.status_code == 422
    assert answer.json()["error"].startswith(sentence)
    assert len(answer.content) < 300


@pytest.mark.parametrize(
    ("content", "headers", "sentence"),
    [
        (b"", JSON, "body: Field required"),
        (b"{", JSON, "body: expected JSON, found Expecting property name"),
        (b"\xff\xfe{", JSON, "body: expected JSON in UTF-8"),
        (b"[" * 3000, JSON, "body: expected JSON in UTF-8"),
        (b'{"inputs": [{"tokens": {"red": NaN}}]}', JSON, "inputs[0]: expected a finite weight"),
        (rb'{"inputs": ["\ud800"]}', JSON, "inputs[0]: expected Unicode, found the lone surrogate"),
        (rb'{"inputs": [], "\ud800": 1}', JSON, "body: "),
        (
            b'{"inputs": []}',
            {"Content-Type": "text/plain"},
            "body: expected JSON with the header Content-Type",
        ),
        (b'{"inputs": []}', {}, "body: expected JSON with the header Content-Type"),
    ],
)
def test_body_that_is_not_json_is_refused(content, headers, sentence, client):
    answer = client.post("/predict", content=content, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["error"].startswith(sentence)


@pytest.mark.parametrize("content", [b"x" * 3001, iter([b"x" * 1000] * 4)], ids=["announced", "in parts"])
def test_too_large_body_is_refused(content, client):
    answer = client.post("/predict", content=content, headers=JSON)

    assert answer.status_code == 413
    assert answer.json() == {"error": "body: expected at most 3000 bytes, found more."}


def test_unknown_paths_and_methods_are_refused_in_json(client):
    found = [client.get("/nothing"), client.get("/predict")]

    assert [answer.status_code for answer in found] == [404, 405]
    assert [answer.json() for answer in found] == [{"error": "Not Found"}, {"error": "Method Not Allowed"}]
    assert found[1].headers["Allow"] == "POST"


def test_health_describes_the_model(client, model):
    health = client.get("/health").json()

    assert (health["status"], health["data"], health["labels"]) == ("ok", "random", 120)
    assert (health["top_k"], health["reads_text"], health["waiting_inputs"]) == (model.top_k, True, 0)
    assert health["needs_token"] is False


def test_metrics_count_requests_and_batches(model):
    with TestClient(create_app(Predictor(model), ServeSettings())) as client:
        for body in ({"inputs": ["red", "pear"]}, {"inputs": ["red"]}, {"inputs": 1}):
            client.post("/predict", json=body)
        client.get("/an-unknown-path")
        page = client.get("/metrics")

    assert page.headers["Content-Type"].startswith("text/plain; version=")
    lines = dict(line.rsplit(" ", 1) for line in page.text.splitlines() if not line.startswith("#"))
    assert float(lines['xcgraph_requests_total{path="/predict",status="200"}']) == 2
    assert float(lines['xcgraph_requests_total{path="/predict",status="422"}']) == 1
    assert float(lines['xcgraph_requests_total{path="other",status="404"}']) == 1
    assert float(lines['xcgraph_request_seconds_count{path="/predict"}']) == 3
    assert (float(lines["xcgraph_batch_inputs_sum"]), float(lines["xcgraph_batch_inputs_count"])) == (3, 2)
    assert "unknown-path" not in page.text


def test_openapi_describes_requests_answers_and_refusals(client, model):
    page = client.get("/openapi.json").json()
    schemas, predict = page["components"]["schemas"], page["paths"]["/predict"]["post"]

    request = schemas["PredictRequest"]
    assert request["additionalProperties"] is False
    assert request["properties"]["inputs"]["maxItems"] == 10
    assert request["properties"]["top_k"]["maximum"] == model.top_k
    assert request["then"]["properties"]["inputs"]["maxItems"] == 2
    assert set(predict["responses"]) == {"200", "408", "413", "422", "500", "503", "504"}
    assert "Retry-After" in predict["responses"]["503"]["headers"]
    for status, reply in predict["responses"].items():
        expected = "PredictAnswer" if status == "200" else "Failure"
        assert reply["content"]["application/json"]["schema"]["$ref"].endswith(expected)


def test_labels_are_listed_page_by_page(client, model):
    pages = [client.get("/labels", params={"limit": 50}).json()]
    while (offset := pages[-1]["next_offset"]) is not None:
        pages.append(client.get("/labels", params={"limit": 50, "offset": offset}).json())

    assert [len(page["labels"]) for page in pages] == [50, 50, 20]
    assert {page["total"] for page in pages} == {120}
    found = [label for page in pages for label in page["labels"]]
    assert found == [
        {"label": label, "id": None, "name": name} for label, name in enumerate(model.label_names)
    ]
    assert client.get("/labels").json()["next_offset"] == 100
    assert client.get("/labels", params={"offset": 10**15}).json()["labels"] == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [("limit=0", "limit: "), ("limit=1001", "limit: "), ("offset=-1", "offset: "), ("offset=a", "offset: ")],
)
def test_page_of_labels_out_of_range_is_refused(query, sentence, client):
    answer = client.get(f"/labels?{query}")

    assert answer.status_code == 422
    assert answer.json()["error"].startswith(sentence)


def test_model_of_sparse_features_accepts_columns_only(sparse_model):
    with TestClient(create_app(Predictor(sparse_model), ServeSettings())) as client:
        answer = client.post("/predict", json={"inputs": [{"features": {"1": 1.0}}], "top_k": 2})
        refused = client.post("/predict", json={"inputs": ["red"]})
        page = client.get("/openapi.json").text
        listed = client.get("/labels?limit=1").json()

    assert labels_of(answer) == Predictor(sparse_model).predict([{1: 1.0}], 2).labels.tolist()
    assert answer.json()["predictions"][0]["labels"][0]["name"] is None
    assert refused.status_code == 422
    assert "sparse features of random" in refused.json()["error"]
    assert listed["labels"] == [{"label": 0, "id": None, "name": None}]
    assert ('"required":["features"]' in page, '"required":["tokens"]' in page) == (True, False)
