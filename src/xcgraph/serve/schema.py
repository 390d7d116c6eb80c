"""Requests and answers as the OpenAPI page describes them; a request is also checked by this."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import GIVEN, read_record
from xcgraph.serve.settings import ServeSettings

_TOP_K = 5
_WEIGHT = {"type": "number", "minimum": -1e6, "maximum": 1e6}


class AnyRequest(BaseModel):
    """What all requests for predictions have; :func:`request_model` narrows it to one model's.

    Attributes:
        inputs: texts, or weights by name or by column, as the predictor takes them.
        top_k: labels per input.
        explain: whether to say how each score came to be.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    inputs: list[object]
    top_k: int
    explain: bool = Field(default=False, description="Whether to say how each score came to be.")


class Neighbour(BaseModel):
    """A label, or meta-label, that shared its score: mix · score · weight."""

    label: int
    weight: float
    score: float
    adds: float
    name: str | None = Field(default=None, description="Left out where there is none.")


class Score(BaseModel):
    """A score through the graph: what was kept of its own and what neighbours added, the most first."""

    own: float
    kept: float
    score: float
    neighbours: list[Neighbour]


class Tree(BaseModel):
    """How one tree came to a label's score."""

    meta_label: int | None = Field(description="The cluster that brought the label in.")
    rank: int | None = Field(description="Its place in the beam, from 0.")
    meta: Score | None
    probability: float | None
    score: Score
    views: dict[str, float] = Field(description="How the fusion weighs the label's views.")


class Label(BaseModel):
    """A label of an input."""

    label: int = Field(description="Its number: its column in the data set.")
    name: str | None
    score: float
    trees: list[Tree] | None = Field(default=None, description="Only of explanations.")


class Prediction(BaseModel):
    """The labels of an input, best first."""

    labels: list[Label]


class PredictAnswer(BaseModel):
    """One prediction per input, in their order."""

    predictions: list[Prediction]


class Health(BaseModel):
    """What is served."""

    status: str
    version: str = Field(description="Of xcgraph.")
    data: str = Field(description="The data set that the model was trained on.")
    labels: int
    tokens: int
    trees: int
    top_k: int = Field(description="The most labels that an input can get.")
    reads_text: bool
    waiting_inputs: int


class Failure(BaseModel):
    """One sentence: what was expected and what was found."""

    error: str


def request_model(predictor: Predictor, settings: ServeSettings) -> type[AnyRequest]:
    """Narrow requests to what a model can read and keeps, and to what the settings allow."""

    def read(record: object) -> object:
        try:
            item = read_record(record)
            predictor.inputs.check(item)
        except UserError as error:
            raise PydanticCustomError("input", "{sentence}", {"sentence": str(error)}) from None
        return item

    kept = predictor.model.top_k
    checked = Annotated[object, PlainValidator(read), WithJsonSchema(_input_schema(predictor))]
    explains: JsonDict = {"properties": {"explain": {"const": True}}, "required": ["explain"]}
    fewer: JsonDict = {"properties": {"inputs": {"maxItems": settings.max_explained}}}

    class PredictRequest(AnyRequest):
        """Inputs, and what is wanted of them."""

        model_config = ConfigDict(json_schema_extra={"if": explains, "then": fewer})

        inputs: list[checked] = Field(max_length=settings.max_inputs)
        top_k: Annotated[int, BeforeValidator(_whole)] = Field(
            default=min(_TOP_K, kept), ge=1, le=kept, description="Labels per input."
        )

    return PredictRequest


def _whole(value: object) -> object:
    """Take 5.0 for 5, which JSON does not tell apart."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _input_schema(predictor: Predictor) -> dict[str, Any]:
    """Describe an input: a text where the model reads text, names of tokens where it has a vocabulary."""
    model = predictor.model
    columns = {"pattern": f"^({numbers_below(model.num_tokens)})$", "description": "Columns of tokens."}
    weights = {"type": "object", "additionalProperties": _WEIGHT}
    choices = [_object("features", {**weights, "propertyNames": columns})]
    if model.vocabulary:
        choices.insert(0, _object("tokens", weights))
    if model.vectorizer is not None:
        choices = [{"type": "string"}, _object("text", {"type": "string"}), *choices]
    return {"oneOf": choices}


def _object(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """Describe an object that has this and none of the others; what else it has counts for nothing."""
    properties = {other: value if other == name else False for other in GIVEN}
    return {"type": "object", "properties": properties, "required": [name]}


def numbers_below(limit: int) -> str:
    """Return a regular expression of the whole numbers from 0 to limit − 1, without leading zeros."""
    last = str(limit - 1)
    shorter = ["0", *(f"[1-9][0-9]{{{rest}}}" for rest in range(len(last) - 1))]
    below = [
        f"{last[:place]}[{int(place == 0)}-{int(digit) - 1}][0-9]{{{len(last) - place - 1}}}"
        for place, digit in enumerate(last)
        if int(digit) > int(place == 0)
    ]
    return "|".join([*shorter, *below, last])
