"""LF-Metamath: predict the axioms, definitions and theorems that a proof uses (premise selection).

Source: ``set.mm`` (CC0-1.0). A point is a theorem with a proof: its comment and its statement. A label is an
assertion that proofs name. Assertions about syntax (with another typecode than ``|-``) are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data_modules.builders.raw_set import BuiltSet, RawLabel, RawPoint, one_space, write_raw_set
from xcgraph.errors import UserError

_DATES = (
    "Contributed|Revised|Proof shortened|Proof modification|New usage|Moved|Suggested|Shortened|Resized|"
    "Replaced|Adapted|Reproved"
)
_SIGNATURE = re.compile(rf"\((?:{_DATES})\b[^)]*\)", re.DOTALL)
_FORMULA = re.compile(r"`[^`]*`")  # a comment repeats formulas that the statement has
_REFERENCE = re.compile(r"~ *\S+")
_MARKUP = re.compile(r"[\[\]_]")
_PROVABLE = "|-"
_STATEMENTS = frozenset(("$c", "$v", "$d", "$f", "$e", "$a", "$p"))
_LABEL_FORMULA, _POINT_FORMULA, _LABEL_TITLE = 400, 1000, 400


@dataclass
class _Database:
    """What has been read so far, and the scopes that are open."""

    assertions: dict[str, RawLabel] = field(default_factory=dict)
    theorems: dict[str, tuple[str, str, list[str]]] = field(default_factory=dict)
    hypotheses: list[list[str]] = field(default_factory=lambda: [[]])

    def add(self, kind: str, name: str, comment: str, statement: list[str], proof: list[str]) -> None:
        """Add a statement: hypotheses of provable formulas, axioms, definitions and theorems."""
        if kind == "$e":
            self.hypotheses[-1].append(" ".join(statement[1:]))
        if kind not in ("$a", "$p") or statement[0] != _PROVABLE:
            return
        given = [hypothesis for scope in self.hypotheses for hypothesis in scope]
        formula = " & ".join(given) + (" => " if given else "") + " ".join(statement[1:])
        title = _prose(comment) or name
        self.assertions[name] = RawLabel(title[:_LABEL_TITLE], formula[:_LABEL_FORMULA])
        if kind == "$p" and proof and proof[0] == "(":
            self.theorems[name] = (title, formula[:_POINT_FORMULA], proof[1 : proof.index(")")])


def build(source: Path, folder: Path) -> BuiltSet:
    """Write LF-Metamath into a folder.

    Args:
        source: ``set.mm``.
        folder: where to write.

    Raises:
        UserError: the file is missing, or no Metamath database.
    """
    if not source.is_file():
        raise UserError(f"{source}: no such file; take set.mm from the Debian package metamath-databases.")
    try:
        database = _read(iter(source.read_text("ascii", "replace").split()))
    except (StopIteration, IndexError, ValueError) as error:
        raise UserError(f"{source}: not a whole Metamath database ({type(error).__name__}).") from error
    points = {
        name: RawPoint(title, formula, frozenset(used) & database.assertions.keys() - {name})
        for name, (title, formula, used) in database.theorems.items()
    }
    return write_raw_set(folder, points, database.assertions)


def _read(tokens: Iterator[str]) -> _Database:
    database, comment, name = _Database(), "", ""
    for token in tokens:
        if token == "$(":
            comment = " ".join(_until(tokens, "$)"))
        elif token == "${":
            database.hypotheses.append([])
        elif token == "$}":
            database.hypotheses.pop()
        elif token in _STATEMENTS:
            statement, proof = _statement(tokens)
            database.add(token, name, comment, statement, proof)
            if token in ("$a", "$p"):
                comment = ""  # a comment belongs to the next assertion alone
        else:
            name = token
    return database


def _until(tokens: Iterator[str], end: str) -> Iterator[str]:
    while (token := next(tokens)) != end:
        yield token


def _statement(tokens: Iterator[str]) -> tuple[list[str], list[str]]:
    """Return the symbols of a statement and of its proof, without the comments inside."""
    parts: tuple[list[str], list[str]] = ([], [])
    place = 0
    while (token := next(tokens)) != "$.":
        if token == "$(":
            list(_until(tokens, "$)"))
        elif token == "$=":
            place = 1
        else:
            parts[place].append(token)
    return parts


def _prose(comment: str) -> str:
    """Return the words of a comment without signatures, formulas and names of other theorems."""
    for pattern in (_SIGNATURE, _FORMULA, _REFERENCE):
        comment = pattern.sub(" ", comment)
    return one_space(_MARKUP.sub(" ", comment))
