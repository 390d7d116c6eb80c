"""LF-Linux: predict the functions of other files that a C function of the Linux kernel calls.

Source: linux-source-6.1 6.1.176-1 of Debian 12 (GPL-2.0), the tree of linux-6.1.176 of kernel.org. A point
is the definition of a function: its name as words, its folder and its comment. A label is a function, or a
function-like macro of an include folder, that another file defines: its name as words and its comment.
"""

import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from data_modules.builders.raw_set import BuiltSet, RawLabel, RawPoint, one_space, write_raw_set
from xcgraph.errors import UserError

# Folders of LF-Linux-32K: the kernel without drivers, architectures and sound.
SMALL = ("fs/", "kernel/", "mm/", "net/", "block/", "lib/")

_DOC = r"(?P<doc>/\*(?:[^*]|\*(?!/))*\*/[ \t]*\n)?"  # the comment right before a definition
_FUNCTION = re.compile(
    _DOC + r"(?P<head>^(?:[A-Za-z_][^\n;{}=#/\"]*\n)?[A-Za-z_][^;{}=#/\"]*?"
    r"\b(?P<name>[A-Za-z_]\w*)[ \t]*\([^;{}#\"]*\)[^;{}()#\"=]{0,80})\n\{",
    re.MULTILINE,
)
_MACRO = re.compile(_DOC + r"^#[ \t]*define[ \t]+(?P<name>[A-Za-z_]\w*)\(", re.MULTILINE)
_NO_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_CALL = re.compile(r"\b([A-Za-z_]\w*)[ \t]*\(")
_STATIC = re.compile(r"\bstatic\b")
_KEYWORDS = frozenset(
    [
        "if",
        "for",
        "while",
        "switch",
        "return",
        "sizeof",
        "defined",
        "typeof",
        "__attribute__",
        "asm",
        "__asm__",
        "volatile",
        "do",
        "else",
        "case",
    ]
)
_PARAMETER = re.compile(r"^\s*@\w+\s*:.*$", re.MULTILINE)
_LINE_STAR = re.compile(r"^[ \t]*\*+", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z0-9_'/.+-]*\w")
_CAMEL = re.compile(r"([a-z0-9])([A-Z])")
_MAX_COMMENT_WORDS = 60
_LEFT_OUT = ("tools/", "Documentation/", "scripts/")


class _Function(NamedTuple):
    """A definition: where it is, and the names that its body calls."""

    path: str
    name: str
    is_static: bool
    comment: str
    calls: frozenset[str]


@dataclass
class _Kernel:
    """All definitions of an archive."""

    functions: list[_Function] = field(default_factory=list)
    macros: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, text: str) -> None:
        """Add the definitions of a file."""
        self.functions.extend(_functions(path, text))
        if path.endswith(".h") and "include/" in path:
            for found in _MACRO.finditer(text):
                self.macros.setdefault(found["name"], _comment(found["doc"], found["name"]))


def build(source: Path, folder: Path, folders: Sequence[str] = ()) -> BuiltSet:
    """Write LF-Linux into a folder.

    Args:
        source: ``linux-6.1.176.tar.xz``, or ``usr/src/linux-source-6.1.tar.xz`` of the Debian package.
        folder: where to write.
        folders: folders of the kernel to take beside ``include/``; none takes all (:data:`SMALL` for 32K).

    Raises:
        UserError: the archive is missing or damaged.
    """
    if not source.is_file():
        raise UserError(f"{source}: no such file; take linux-6.1.176.tar.xz of kernel.org.")
    kernel = _Kernel()
    try:
        with tarfile.open(source, "r|xz") as archive:
            for member in archive:
                path = member.name.split("/", 1)[-1]
                content = (
                    archive.extractfile(member) if _is_wanted(path, folders) and member.isfile() else None
                )
                if content is not None:
                    kernel.add(path, content.read().decode("utf-8", "replace"))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{source}: not a whole tar.xz archive ({error}).") from error
    return write_raw_set(folder, *_pair(kernel))


def _is_wanted(path: str, folders: Sequence[str]) -> bool:
    is_source = path.endswith((".c", ".h")) and not path.startswith(_LEFT_OUT)
    return is_source and (not folders or path.startswith((*folders, "include/")))


def _functions(path: str, text: str) -> Iterator[_Function]:
    for found in _FUNCTION.finditer(text):
        name, end = found["name"], text.find("\n}", found.end())
        if name in _KEYWORDS or end < 0:
            continue
        body = _NO_CODE.sub(" ", text[found.end() : end])
        calls = frozenset(_CALL.findall(body)) - _KEYWORDS - {name}
        yield _Function(
            path, name, _STATIC.search(found["head"]) is not None, _comment(found["doc"], name), calls
        )


def _pair(kernel: _Kernel) -> tuple[dict[str, RawPoint], dict[str, RawLabel]]:
    labels, defined_in = _labels(kernel)
    own = defaultdict(set)
    for function in kernel.functions:
        own[function.path].add(function.name)
    points: dict[str, RawPoint] = {}
    for function in kernel.functions:
        called = {name for name in function.calls if name in labels} - own[function.path]
        is_exported = not function.is_static and len(defined_in[function.name]) == 1
        uid = function.name if is_exported else f"{function.path}:{function.name}"
        if called and uid not in points:
            place = _words(" ".join(re.split(r"[/.-]", function.path)[:-1]))
            content = one_space(f"{place} : {function.comment}")
            points[uid] = RawPoint(_words(function.name), content, frozenset(called))
    return points, labels


def _labels(kernel: _Kernel) -> tuple[dict[str, RawLabel], dict[str, set[str]]]:
    """Return the labels, and the files that define each name.

    A name that several files define, such as one per architecture, is one label with the longest comment.
    """
    labels: dict[str, RawLabel] = {}
    defined_in: dict[str, set[str]] = defaultdict(set)
    for path, name, is_static, comment, _ in kernel.functions:
        if is_static and not path.endswith(".h"):
            continue
        defined_in[name].add(path)
        if name not in labels or len(comment) > len(labels[name].content):
            labels[name] = RawLabel(_words(name), comment)
    for name, comment in kernel.macros.items():
        if name not in labels:
            labels[name] = RawLabel(_words(name), comment)
            defined_in[name].add("include/")
    return labels, defined_in


def _words(name: str) -> str:
    """Split a name into words: ``kmalloc_array`` and ``usbURB2`` become "kmalloc array" and "usb URB2"."""
    return one_space(_CAMEL.sub(r"\1 \2", name).replace("_", " "))


def _comment(text: str | None, name: str) -> str:
    """Return a comment's prose without stars, parameters and the name before the dash, at most 60 words."""
    if not text:
        return ""
    text = _LINE_STAR.sub("", re.sub(r"^\s*/\*+|\*+/\s*$", "", text))
    if "SPDX" in text or "Copyright" in text:
        return ""
    text = _PARAMETER.sub("", text).lstrip()
    text = re.sub(rf"^\s*{re.escape(name)}\s*(\(.*?\))?\s*[-:]*\s*", "", text)
    return " ".join(_WORD.findall(one_space(text))[:_MAX_COMMENT_WORDS])
