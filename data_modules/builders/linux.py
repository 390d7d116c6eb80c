"""LF-Linux: predict the functions of other files that a C function of the Linux kernel calls.

The source is linux-source-6.1 6.1.176-1 of Debian 12 (GPL-2.0). A point is the definition of a function; its
texts are its name as words, its folder and its comment. A label is a function that another file defines, or a
function-like macro of an include folder; its texts are its name as words and its comment.
"""

import lzma
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from data_modules.builders.raw_set import RawLabel, RawPoint, one_space, write_raw_set
from xcgraph.errors import UserError

_DOC = r"(?P<doc>/\*(?:[^*]|\*(?!/))*\*/[ \t]*\n)?"  # the comment directly before a definition
# The kernel's style puts the opening and the closing brace of a function at the start of a line.
_FUNCTION = re.compile(
    _DOC + r"(?P<head>^(?:[A-Za-z_][^\n;{}=#/\"]*\n)?[A-Za-z_][^;{}=#/\"]*?"
    r"\b(?P<name>[A-Za-z_]\w*)[ \t]*\([^;{}#\"]*\)[^;{}()#\"=]{0,80})\n\{",
    re.MULTILINE,
)
# The match includes the rest of the line: a comment there does not belong to a macro on the next line.
_MACRO = re.compile(_DOC + r"^#[ \t]*define[ \t]+(?P<name>[A-Za-z_]\w*)\([^\n]*", re.MULTILINE)
_NO_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_CALL = re.compile(r"\b([A-Za-z_]\w*)[ \t]*\(")
_STATIC = re.compile(r"\bstatic\b")
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "if for while switch return sizeof defined typeof __attribute__ asm __asm__ volatile do else case",
    )
)
_PARAMETER = re.compile(r"^\s*@\w+\s*:.*$", re.MULTILINE)
_COMMENT_ENDS = re.compile(r"^\s*/\*+|\*+/\s*$")
_LINE_STAR = re.compile(r"^[ \t]*\*+", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z0-9_'/.+-]*\w")
_CAMEL = re.compile(r"([a-z0-9])([A-Z])")
_MAX_COMMENT_WORDS = 60
_CHUNK = 1 << 20
_LEFT_OUT = ("tools/", "Documentation/", "scripts/")


class _Function(NamedTuple):
    """A function definition.

    Attributes:
        path: file that defines it.
        name: name of the function.
        is_static: whether only its file can call it.
        comment: prose of the comment before it.
        calls: names that its body calls.
    """

    path: str
    name: str
    is_static: bool
    comment: str
    calls: frozenset[str]


@dataclass
class _Kernel:
    """The functions of all files, and the comment of each macro."""

    functions: list[_Function] = field(default_factory=list)
    macros: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, text: str) -> None:
        """Add the definitions of a file."""
        self.functions.extend(_functions(path, text))
        if path.endswith(".h") and "include/" in path:
            for found in _MACRO.finditer(text):
                self.macros.setdefault(found["name"], _comment(found["doc"], found["name"]))


def build(source: Path, folder: Path, folders: Sequence[str] = ()) -> dict[str, int]:
    """Write LF-Linux into a folder and return its statistics.

    Args:
        source: ``usr/src/linux-source-6.1.tar.xz`` of the Debian package, or another kernel's archive.
        folder: where to write.
        folders: folders of the kernel to read besides ``include/``, such as ``fs/``; empty reads all.

    Raises:
        UserError: the archive is damaged.
    """
    kernel = _Kernel()
    try:
        # tarfile's own decompression takes a truncated archive for one that ends there.
        with lzma.open(source) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                path = member.name.split("/", 1)[-1]
                wanted = member.isfile() and _is_wanted(path, folders)  # a link has no content of its own
                content = archive.extractfile(member) if wanted else None
                if content is not None:
                    kernel.add(path, content.read().decode("utf-8", "replace"))
            while stream.read(_CHUNK):  # up to the checksum at the end
                pass
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
        raise UserError(
            f"{source}: expected a complete tar.xz archive, found: {error}; download the file again."
        ) from error
    return write_raw_set(folder, *_points_and_labels(kernel), source=source)


def _is_wanted(path: str, folders: Sequence[str]) -> bool:
    is_source = path.endswith((".c", ".h")) and not path.startswith(_LEFT_OUT)
    return is_source and (not folders or path.startswith((*folders, "include/")))


def _functions(path: str, text: str) -> Iterator[_Function]:
    for found in _FUNCTION.finditer(text):
        name, end = found["name"], text.find("\n}", found.end())
        if name in _KEYWORDS or end < 0:
            continue
        body = _NO_CODE.sub(" ", text[found.end() : end])
        yield _Function(
            path=path,
            name=name,
            is_static=_STATIC.search(found["head"]) is not None,
            comment=_comment(found["doc"], name),
            calls=frozenset(_CALL.findall(body)) - _KEYWORDS - {name},
        )


def _points_and_labels(kernel: _Kernel) -> tuple[dict[str, RawPoint], dict[str, RawLabel]]:
    labels, defined_in = _labels(kernel)
    names_in = defaultdict(set)
    for function in kernel.functions:
        names_in[function.path].add(function.name)
    points: dict[str, RawPoint] = {}
    for function in kernel.functions:
        called = frozenset(name for name in function.calls if name in labels) - names_in[function.path]
        is_unique = not function.is_static and len(defined_in[function.name]) == 1
        uid = function.name if is_unique else f"{function.path}:{function.name}"
        if called and uid not in points:
            place = _words(" ".join(re.split(r"[/.-]", function.path)[:-1]))
            content = one_space(f"{place} : {function.comment}")
            points[uid] = RawPoint(_words(function.name), content, called)
    return points, labels


def _labels(kernel: _Kernel) -> tuple[dict[str, RawLabel], dict[str, set[str]]]:
    """Return the labels, and the files that define each name.

    If several files define a name, for example one for each architecture, the longest comment wins.
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
    """Return at most 60 words of a comment, without stars, parameters and the leading name."""
    if not text or "SPDX" in text or "Copyright" in text:
        return ""
    text = _LINE_STAR.sub("", _COMMENT_ENDS.sub("", text))
    text = _PARAMETER.sub("", text).lstrip()
    text = re.sub(rf"^\s*{re.escape(name)}\s*(\(.*?\))?\s*[-:]*\s*", "", text)
    return " ".join(_WORD.findall(one_space(text))[:_MAX_COMMENT_WORDS])
