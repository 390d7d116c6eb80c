"""Models of requests and answers: FastAPI checks requests with them and describes both in OpenAPI."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import INPUT_KEYS, read_record
from xcgraph.serve.settings import ServeSettings

_DEFAULT_TOP_K = 5
_WEIGHT = {"type": "number", "minimum": -1e6, "maximum": 1e6}


class AnyRequest(BaseModel):
    """The request of a prediction from any model; :func:`request_model` narrows it to one model.

    Attributes:
        inputs: texts, or weights by name or by column, as the predictor reads them.
        top_k: maximum number of labels per input.
        explain: whether to explain each score.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    inputs: list[object]
    top_k: int
    explain: bool = Field(default=False, description="Whether to explain each score.")


class Neighbour(BaseModel):
    """A label or meta-label whose score contributed to the score of another one."""

    label: int
    weight: float = Field(description="Weight of the edge in the label graph.")
    score: float = Field(description="Score of the neighbour itself.")
    adds: float = Field(description="Contribution of the neighbour: mix · score · weight.")
    name: str | None = Field(default=None, description="Missing if the neighbour has no name.")


class Score(BaseModel):
    """A score before and after the label graph: ``score`` is ``kept`` plus ``adds`` of all neighbours."""

    own: float = Field(description="Score before the graph.")
    kept: float = Field(description="Contribution of the own score to the result.")
    score: float = Field(description="Score after the graph.")
    neighbours: list[Neighbour] = Field(description="Largest contributions, in descending order.")


class Tree(BaseModel):
    """How one tree computed the score of a label."""

    meta_label: int | None = Field(description="Cluster through which the tree found the label.")
    rank: int | None = Field(description="Rank of the cluster in the beam, from 0.")
    meta: Score | None = Field(description="Score of the cluster.")
    probability: float | None = Field(description="Probability of the label, given its cluster.")
    score: Score = Field(description="Score of the label.")
    views: dict[str, float] = Field(description="Weight of each view of the label in the fusion, by name.")


class Label(BaseModel):
    """One label of an input."""

    label: int = Field(description="Number of the label, which is its column in the dataset.")
    id: str | int | None = Field(description="Id of the label in the user's data; null if there are no ids.")
    name: str | None = Field(description="Null if the dataset has no label names.")
    score: float
    probability: float | None = Field(
        default=None, description="Probability that the label is right; only if the model is calibrated."
    )
    trees: list[Tree] | None = Field(default=None, description="Explanation by each tree; only if requested.")


class Prediction(BaseModel):
    """The labels of one input."""

    known: bool = Field(
        description="Whether the input has a token that the model knows. If not, the labels come from the "
        "priors of the model alone."
    )
    labels: list[Label] = Field(description="Best label first.")


class PredictAnswer(BaseModel):
    """One prediction per input, in the order of the inputs."""

    predictions: list[Prediction]


class Health(BaseModel):
    """The state of the server and its model."""

    status: str = Field(description="Always ok: a server that does not answer is not.")
    version: str = Field(description="Version of xcgraph.")
    data: str = Field(description="Name of the dataset that the model was trained on.")
    labels: int = Field(description="Number of labels.")
    tokens: int = Field(description="Number of tokens in the vocabulary.")
    trees: int = Field(description="Number of trees.")
    top_k: int = Field(description="Maximum number of labels of an input.")
    reads_text: bool = Field(description="Whether inputs may be texts.")
    needs_token: bool = Field(description="Whether requests need a bearer token.")
    waiting_inputs: int = Field(description="Number of inputs in the queue.")


class NamedLabel(BaseModel):
    """A label of the model."""

    label: int = Field(description="Number of the label, which is its column in the dataset.")
    id: str | int | None = Field(description="Id of the label in the user's data; null if there are no ids.")
    name: str | None = Field(description="Null if the dataset has no label names.")


class LabelPage(BaseModel):
    """A part of the list of labels."""

    total: int = Field(description="Number of labels of the model.")
    next_offset: int | None = Field(description="Offset of the next page; null after the last label.")
    labels: list[NamedLabel]


class Failure(BaseModel):
    """The reason why a request was refused."""

    error: str = Field(description="What was expected, and what was found.")


def request_model(predictor: Predictor, settings: ServeSettings) -> type[AnyRequest]:
    """Return the request class for one model: the inputs that it reads, within the limits of the settings."""

    def read(record: object) -> object:
        try:
            item = read_record(record)
            predictor.inputs.check(item)
        except UserError as error:
            raise PydanticCustomError("input", "{sentence}", {"sentence": str(error)}) from None
        return item

    max_top_k = predictor.model.top_k
    checked = Annotated[object, PlainValidator(read), WithJsonSchema(_input_schema(predictor))]
    explains: JsonDict = {"properties": {"explain": {"const": True}}, "required": ["explain"]}
    fewer: JsonDict = {"properties": {"inputs": {"maxItems": settings.max_explained}}}

    class PredictRequest(AnyRequest):
        """Inputs to label."""

        model_config = ConfigDict(json_schema_extra={"if": explains, "then": fewer})

        inputs: list[checked] = Field(max_length=settings.max_inputs)
        top_k: Annotated[int, BeforeValidator(_whole)] = Field(
            default=min(_DEFAULT_TOP_K, max_top_k),
            ge=1,
            le=max_top_k,
            description="Maximum labels per input.",
        )

    return PredictRequest


def _whole(value: object) -> object:
    """Turn 5.0 into 5: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _input_schema(predictor: Predictor) -> dict[str, Any]:
    """Return the schema of an input: texts only if the model reads text, names only with a vocabulary."""
    model = predictor.model
    columns = {"pattern": f"^({numbers_below(model.num_tokens)})$", "description": "Token columns."}
    weights = {"type": "object", "additionalProperties": _WEIGHT}
    choices = [_object("features", {**weights, "propertyNames": columns})]
    if model.vocabulary:
        choices.insert(0, _object("tokens", weights))
    if model.vectorizer is not None:
        choices = [{"type": "string"}, _object("text", {"type": "string"}), *choices]
    return {"oneOf": choices}


def _object(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with one input key and not the others; further keys are ignored."""
    properties = {other: value if other == name else False for other in INPUT_KEYS}
    return {"type": "object", "properties": properties, "required": [name]}


def numbers_below(limit: int) -> str:
    """Return a regular expression for the whole numbers from 0 to limit − 1, without leading zeros."""
    last = str(limit - 1)
    shorter = ["0", *(f"[1-9][0-9]{{{rest}}}" for rest in range(len(last) - 1))]
    below = [
        f"{last[:place]}[{int(place == 0)}-{int(digit) - 1}][0-9]{{{len(last) - place - 1}}}"
        for place, digit in enumerate(last)
        if int(digit) > int(place == 0)
    ]
    return "|".join([*shorter, *below, last])
