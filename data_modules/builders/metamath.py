"""LF-Metamath: predict the axioms, definitions and theorems that a proof uses (premise selection).

The source is ``set.mm`` (CC0-1.0). A point is a theorem with a proof; its texts are its comment and its
statement. A label is an assertion that a proof uses. Assertions about syntax, whose typecode is not ``|-``,
are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data_modules.builders.raw_set import RawLabel, RawPoint, one_space, write_raw_set
from xcgraph.errors import UserError

_SIGNATURE = re.compile(
    r"\((?:Contributed|Revised|Proof shortened|Proof modification|New usage|Moved|Suggested|Shortened|"
    r"Resized|Replaced|Adapted|Reproved)\b[^)]*\)",
    re.DOTALL,
)
_FORMULA = re.compile(r"`[^`]*`")  # the statement already has the formulas
_REFERENCE = re.compile(r"~ *\S+")
_MARKUP = re.compile(r"[\[\]_]")
_PROVABLE = "|-"
_STATEMENTS = frozenset(("$c", "$v", "$d", "$f", "$e", "$a", "$p"))
# Maximum numbers of characters.
_MAX_LABEL_TITLE, _MAX_LABEL_CONTENT, _MAX_POINT_CONTENT = 400, 400, 1000


@dataclass(frozen=True)
class _Theorem:
    """A theorem: its texts, and the names that its proof lists."""

    title: str
    formula: str
    used: frozenset[str]


@dataclass
class _Database:
    """The assertions and theorems read so far, and the hypotheses of each open scope."""

    assertions: dict[str, RawLabel] = field(default_factory=dict)
    theorems: dict[str, _Theorem] = field(default_factory=dict)
    hypotheses: list[list[str]] = field(default_factory=lambda: [[]])

    def add(self, kind: str, name: str, comment: str, statement: list[str], proof: list[str]) -> None:
        """Add a statement if it is a hypothesis, an axiom, a definition or a theorem."""
        if kind == "$e":
            self.hypotheses[-1].append(" ".join(statement[1:]))
        if kind not in ("$a", "$p") or statement[0] != _PROVABLE:
            return
        hypotheses = [hypothesis for scope in self.hypotheses for hypothesis in scope]
        formula = " & ".join(hypotheses) + (" => " if hypotheses else "") + " ".join(statement[1:])
        title = _prose(comment) or name
        self.assertions[name] = RawLabel(title[:_MAX_LABEL_TITLE], formula[:_MAX_LABEL_CONTENT])
        if kind == "$p" and proof and proof[0] == "(":  # a compressed proof lists all names in brackets
            used = frozenset(proof[1 : proof.index(")")])
            self.theorems[name] = _Theorem(title, formula[:_MAX_POINT_CONTENT], used)


def build(source: Path, folder: Path) -> dict[str, int]:
    """Write LF-Metamath into a folder and return its statistics.

    Args:
        source: the file ``set.mm``.
        folder: where to write.

    Raises:
        UserError: the file is not a complete Metamath database.
    """
    database = _Database()
    try:
        _read(database, iter(source.read_text("ascii", "replace").split()))
    except (StopIteration, LookupError, ValueError) as error:
        raise UserError(
            f"{source}: expected a complete Metamath database, found an unfinished statement, comment or "
            "scope; download the file again."
        ) from error
    points = {
        name: RawPoint(
            theorem.title,
            theorem.formula,
            frozenset(used for used in theorem.used if used in database.assertions and used != name),
        )
        for name, theorem in database.theorems.items()
    }
    return write_raw_set(folder, points, database.assertions, source=source)


def _read(database: _Database, tokens: Iterator[str]) -> None:
    comment, name = "", ""
    for token in tokens:
        if token == "$(":
            comment = " ".join(_read_until(tokens, "$)"))
        elif token == "${":
            database.hypotheses.append([])
        elif token == "$}":
            database.hypotheses.pop()
        elif token in _STATEMENTS:
            statement, proof = _read_statement(tokens)
            database.add(token, name, comment, statement, proof)
            if token in ("$a", "$p"):
                comment = ""  # a comment describes only the next assertion
        else:
            name = token
    if len(database.hypotheses) != 1:
        raise ValueError


def _read_until(tokens: Iterator[str], end: str) -> list[str]:
    """Return the tokens before ``end``; StopIteration means that it does not come."""
    found = []
    while (token := next(tokens)) != end:
        found.append(token)
    return found


def _read_statement(tokens: Iterator[str]) -> tuple[list[str], list[str]]:
    """Return the symbols of a statement and the tokens of its proof, both without comments."""
    statement: list[str] = []
    proof: list[str] = []
    part = statement
    while (token := next(tokens)) != "$.":
        if token == "$(":
            _read_until(tokens, "$)")
        elif token == "$=":
            part = proof
        else:
            part.append(token)
    return statement, proof


def _prose(comment: str) -> str:
    """Return a comment without signatures, formulas and references to other theorems."""
    for pattern in (_SIGNATURE, _FORMULA, _REFERENCE):
        comment = pattern.sub(" ", comment)
    return one_space(_MARKUP.sub(" ", comment))
