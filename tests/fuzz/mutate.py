"""Damage valid files: change bytes, numbers, lines, JSON values or compression."""

import copy
import gzip
import json
import re
import zlib
from functools import cache

NUMBERS = (
    *(b"0", b"-1", b"1", b"2", b"3", b"1.5", b"-0.0", b"nan", b"inf", b"-inf", b"1e-400", b"1e400", b"1e-45"),
    *(b"2147483646", b"2147483647", b"2147483648", b"4294967296", b"99999999", b"1000000000"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"0x10", b"1_000", b"+1"),
    *(
        b"1" * 400,
        b"0." + b"0" * 400 + b"1",
        b"1e-300",
        b"3.4028235e38",
        b"\xd9\xa1",
        b"1e99999999999999999999",
    ),
)
TOKENS = (
    *(
        b":",
        b",",
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\n\n",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
    ),
    *(
        b"->",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b"\\ud800",
        b"#",
        b"null",
        b"NaN",
        b"*a",
        b"&a",
        b"!!python/name:os.system",
    ),
)
_DIGITS = re.compile(rb"\d+(?:\.\d+)?")


def mutate_bytes(content, rng, other=b""):
    """Change any file in one to four places."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        content = rng.choice(_BYTES)(content, rng, other)
    return content


def pack(content, rng):
    """Compress a file; half of the results are damaged."""
    packed = gzip.compress(content, 1, mtime=0)
    if rng.random() < 0.5:
        return packed
    damage = rng.choice((_flip, _truncate, _insert, _delete, _append_self))
    return damage(packed, rng, b"")


@cache
def bomb(unit, size):
    """Compress ``unit`` repeated to about ``size`` bytes; the result is a thousand times smaller."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = unit * max(1, (1 << 20) // len(unit))
    parts = [packer.compress(block) for _ in range(size // len(block))]
    return b"".join([*parts, packer.flush()])


def _place(content, rng):
    return rng.randrange(len(content) + 1)


def _flip(content, rng, _other):
    if not content:
        return content
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]


def _truncate(content, rng, _other):
    return content[: _place(content, rng)]


def _insert(content, rng, _other):
    place = _place(content, rng)
    return content[:place] + rng.choice(TOKENS + NUMBERS) + content[place:]


def _insert_noise(content, rng, _other):
    place = _place(content, rng)
    return content[:place] + rng.randbytes(rng.randrange(1, 9)) + content[place:]


def _delete(content, rng, _other):
    place = _place(content, rng)
    return content[:place] + content[place + rng.randrange(1, 9) :]


def _splice(content, rng, other):
    return content[: _place(content, rng)] + other[_place(other, rng) :]


def _append_self(content, _rng, _other):
    return content + content


def _repeat(content, rng, _other):
    """Repeat a piece up to thousands of times, which makes long lines, many lines or deep brackets."""
    start = _place(content, rng)
    piece = content[start : start + rng.choice((1, 1, 2, 4, 20))]
    return content[:start] + piece * rng.choice((2, 10, 100, 3000)) + content[start:]


def _change_number(content, rng, _other):
    found = list(_DIGITS.finditer(content))
    if not found:
        return content
    number = rng.choice(found)
    return content[: number.start()] + rng.choice(NUMBERS) + content[number.end() :]


def _change_header(content, rng, _other):
    """Replace numbers in the first line, which declare counts."""
    first, line_end, rest = content.partition(b"\n")
    return (
        _DIGITS.sub(lambda found: rng.choice((found.group(), rng.choice(NUMBERS))), first) + line_end + rest
    )


def _change_lines(content, rng, _other):
    lines = content.split(b"\n")
    place = rng.randrange(len(lines))
    how = rng.randrange(4)
    if how == 0:
        lines.insert(place, rng.choice(lines))
    elif how == 1:
        del lines[place]
    elif how == 2:
        rng.shuffle(lines)
    else:
        lines[place] += lines[place - 1]
    return b"\n".join(lines)


_BYTES = (
    *(_flip, _truncate, _insert, _insert_noise, _delete, _splice, _repeat),
    *(_change_number, _change_number, _change_header, _change_lines),
)


def mutate_json(content, rng):
    """Replace values in a JSON document; the document usually stays valid JSON."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return mutate_bytes(content, rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            break
        parent, key = rng.choice(places)
        how = rng.random()
        if how < 0.1 and isinstance(parent, dict):
            del parent[key]
        elif how < 0.2 and isinstance(parent, dict):
            parent[rng.choice(("../x", "", "x" * 300, "\ud800", "..", "/dev/zero"))] = parent[key]
        elif how < 0.4:  # a value from another place
            other, other_key = rng.choice(places)
            parent[key] = copy.deepcopy(other[other_key])
        else:
            parent[key] = _value(rng)
    try:
        return json.dumps(tree).encode()
    except (TypeError, ValueError, RecursionError):
        return content


def deep(rng):
    """Nest brackets close to Python's limit or far deeper."""
    depth = rng.choice((100, 900, 940, 960, 980, 990, 1000, 100_000))
    return rng.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth))


def _places(node):
    if isinstance(node, dict):
        for key, value in node.items():
            yield node, key
            yield from _places(value)
    elif isinstance(node, list):
        for place, value in enumerate(node[:50]):
            yield node, place
            yield from _places(value)


def _value(rng):
    return rng.choice(
        (
            *(
                None,
                True,
                False,
                0,
                -1,
                1,
                2,
                7,
                0.5,
                -1.5,
                1e308,
                float("nan"),
                float("inf"),
                2**31,
                2**63,
                2**64,
                10**400,
            ),
            *(
                "",
                "a",
                "\ud800",
                "é☃",
                "x" * 1000,
                "1",
                "nan",
                "../../etc/passwd",
                "/dev/zero",
                "${a}",
                "cosine",
            ),
            *([], {}, [[]], [1, 2], [None], {"a": 1}, ["a"] * 1000, json.loads("[" * 200 + "]" * 200)),
        )
    )
