import hashlib
import io
import lzma
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from data_modules.wordnet import EMBEDDED_ARCHIVE, WordNet
from xcgraph.data.xc_data import Split, XCData
from xcgraph.errors import UserError
from xcgraph.text.vectorizer import WordVectorizer

# --- rules of the data set, on an archive with few synsets ------------------------------------------------


def ids(in_test: bool, letter: str = "v") -> list[str]:
    """Return the first ten ids of a split, with another implementation of the hash."""
    candidates = [f"{letter}{offset:08}" for offset in range(100)]
    hashed = [int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) for name in candidates]
    return [name for name, value in zip(candidates, hashed, strict=True) if (value / 2**64 < 0.3) is in_test][
        :10
    ]


TRAIN, TEST = ids(in_test=False), ids(in_test=True)


def line(synset: str, *pointers: tuple[str, str], words: tuple[str, ...] = (), gloss: str = "") -> str:
    """Return a line of wndb(5WN); by default the only word is the synset's id, and the gloss is empty."""
    words = words or (synset,)
    listed = "".join(f"{word} 0 " for word in words)
    pointed = "".join(f"{symbol} {target[1:]} {target[0]} 0000 " for symbol, target in pointers)
    head = f"{synset[1:]} 29 {synset[0]} {len(words):02x}"
    return f"{head} {listed}{len(pointers):03} {pointed}01 + 02 00 | {gloss}  "


def write_archive(path: Path, members: Mapping[str, list[str] | bytes]) -> Path:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            body = (
                content if isinstance(content, bytes) else "\n".join(["  1 licence  ", *content, ""]).encode()
            )
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    path.write_bytes(lzma.compress(stream.getvalue()))
    return path


def module(archive: Path, parts_of_speech: tuple[str, ...] = ("verb",), **statistics: int) -> WordNet:
    return WordNet(
        name="tiny",
        propensity_a=0.5,
        propensity_b=0.4,
        parts_of_speech=parts_of_speech,
        text=WordVectorizer(min_df=1),
        archive=archive,
        statistics=statistics,
    )


def read(path: Path, *lines: str) -> XCData:
    return module(write_archive(path / "wordnet.tar.xz", {"data.verb": list(lines)})).read()


def labelled(data: XCData, split: Split) -> dict[str, set[str]]:
    """Return the labels of each point by id; the id is the only token of a point or label."""
    points = [data.vocabulary[token] for token in split.features.indices]
    assert len(points) == len(split)
    return {
        point: {data.label_names[column] for column in split.labels[[row]].indices}
        for row, point in enumerate(points)
    }


LABEL_POINTERS = ["@", "@i", "#m", "#s", "#p", ";c", ";r", ";u", "*"]
LABEL_POINTERS += [">", "&", "=", "+", "!", "^", "$", "<", "\\"]


@pytest.mark.parametrize("symbol", LABEL_POINTERS)
def test_targets_of_label_pointers_are_labels(tmp_path: Path, symbol: str):
    a, b, c = TRAIN[:3]
    data = read(tmp_path, line(a, (symbol, b), (symbol, c)), line(b), line(c))

    assert labelled(data, data.train) == {a: {b, c}}


@pytest.mark.parametrize("symbol", ["~", "~i", "%m", "%s", "%p", "-c", "-r", "-u"])
def test_targets_of_other_pointers_are_no_labels(tmp_path: Path, symbol: str):
    a, b, c = TRAIN[:3]
    data = read(tmp_path, line(a, (symbol, b), ("&", c)), line(b), line(c))

    assert labelled(data, data.train) == {a: {c}}


def test_hypernyms_of_hypernyms_are_the_most_distant_labels(tmp_path: Path):
    a, b, c, d, e = TRAIN[:5]
    lines = line(a, ("@i", b)), line(b, ("@", c), ("&", e)), line(c, ("@", d)), line(d), line(e)
    data = read(tmp_path, *lines)

    assert labelled(data, data.train) == {a: {b, c}, b: {c, d, e}, c: {d}}


def test_reciprocal_pairs_go_from_the_larger_id_to_the_smaller(tmp_path: Path):
    a, b, c = TRAIN[:3]
    data = read(tmp_path, line(a, ("+", b), ("&", c)), line(b, ("!", a)), line(c))

    assert labelled(data, data.train) == {a: {c}, b: {a}}


def test_point_is_not_its_own_label(tmp_path: Path):
    a, b, c = TRAIN[:3]
    own_grandparent = line(b, ("@", c)), line(c, ("@", b))
    data = read(tmp_path, line(a, ("$", a), ("$", b)), *own_grandparent)

    assert labelled(data, data.train) == {a: {b}, c: {b}}


def test_self_pairs_are_filtered_in_both_splits(tmp_path: Path):
    a, b, c = TRAIN[:3]
    t, u = TEST[:2]
    lines = line(a, ("@", b), ("&", t)), line(b, ("&", c)), line(c), line(t, ("&", b)), line(u, ("&", c))
    data = read(tmp_path, *lines)

    assert data.label_names == tuple(sorted([b, c, t]))
    column = {name: number for number, name in enumerate(data.label_names)}
    assert labelled(data, data.train) == {a: {b, t}, b: {c}}
    np.testing.assert_array_equal(data.train.filter_pairs, [[1, column[b]]])
    np.testing.assert_array_equal(data.test.filter_pairs, [[sorted([t, u]).index(t), column[t]]])


def test_labels_without_training_points_and_points_without_labels_are_dropped(tmp_path: Path):
    a, seen, unseen = TRAIN[:3]
    t, u = TEST[:2]
    lines = line(a, ("&", seen)), line(seen), line(unseen)
    data = read(tmp_path, *lines, line(t, ("&", seen), ("&", unseen)), line(u, ("&", unseen)))

    assert data.label_names == (seen,)
    np.testing.assert_array_equal(data.test.labels.toarray(), [[1]])


def test_pointers_to_unselected_parts_of_speech_are_ignored(tmp_path: Path):
    a, b = TRAIN[:2]
    noun = ids(in_test=False, letter="n")[0]
    members = {"data.verb": [line(a, ("+", noun), ("&", b)), line(b)], "data.noun": [line(noun)]}
    archive = write_archive(tmp_path / "wordnet.tar.xz", members)
    verbs, both = (module(archive, parts).read() for parts in (("verb",), ("verb", "noun")))

    assert labelled(verbs, verbs.train) == {a: {b}}
    assert labelled(both, both.train) == {a: {noun, b}}


def test_texts_are_words_and_gloss_without_markers_and_underscores(tmp_path: Path):
    a, b = ids(in_test=False, letter="a")[:2]
    words = "ready_to_hand(p)", "galore(ip)", "outback(a)", "f(x)"
    lines = [
        line(a, ("&", b), gloss='easy to reach; "at hand"'),
        line(b, words=words).replace(" a ", " s ", 1),
    ]
    archive = write_archive(tmp_path / "wordnet.tar.xz", {"data.adj": lines})
    data = module(archive, ("adj",)).read()

    assert data.label_names == ("ready to hand, galore, outback, f(x)",)
    assert {data.vocabulary[token] for token in data.train.features.indices} == {
        a, "easy", "to", "reach", "at", "hand",
    }  # fmt: skip


# --- errors -------------------------------------------------------------------------------------------------


def test_missing_archive_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"none\.tar\.xz: .*no such file.*data\.archive"):
        module(tmp_path / "none.tar.xz").read()


def test_damaged_archive_is_refused(tmp_path: Path):
    archive = tmp_path / "wordnet.tar.xz"
    intact = write_archive(archive, {"data.verb": [line(TRAIN[0])] * 999}).read_bytes()
    truncated_tar = lzma.compress(lzma.decompress(intact)[:5000])
    flipped = intact[:100] + bytes([intact[100] ^ 255]) + intact[101:]
    for damaged in (b"", intact[:-20], flipped, b"not xz", lzma.compress(b"not tar" * 99), truncated_tar):
        archive.write_bytes(damaged)
        with pytest.raises(UserError, match=r"wordnet\.tar\.xz: .*intact tar\.xz"):
            module(archive).read()


def test_missing_data_file_is_refused(tmp_path: Path):
    archive = write_archive(tmp_path / "wordnet.tar.xz", {"data.verb": [line(TRAIN[0])], "README": []})
    with pytest.raises(UserError, match=r"wordnet\.tar\.xz: .*data\.noun.*README, data\.verb"):
        module(archive, ("verb", "noun")).read()


GOOD = line(TRAIN[0], ("&", TRAIN[1]))


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "0000",
        GOOD.replace("|", ""),
        GOOD.replace(" v 01", " v 02"),
        GOOD.replace(" v 01", " v 00"),
        GOOD.replace(" v 01", " v zz"),
        GOOD.replace(" v 01", " n 01"),
        GOOD.replace(" 001 ", " 009 "),
        GOOD.replace(" 001 ", " -01 "),
        GOOD.replace(" 001 ", " 0x1 "),
        GOOD[:30],
    ],
)
def test_synset_in_another_format_is_refused(tmp_path: Path, bad: str):
    with pytest.raises(UserError, match=rf"data\.verb, line 3: .*wndb\(5WN\).*{re.escape(bad[:5])}"):
        read(tmp_path, GOOD, bad, line(TRAIN[1]))


def test_synset_that_is_not_utf8_is_refused(tmp_path: Path):
    body = f"{GOOD}\n".encode() + line(TRAIN[1], gloss="né").encode("latin-1")
    archive = write_archive(tmp_path / "wordnet.tar.xz", {"data.verb": body})
    with pytest.raises(UserError, match=r"data\.verb, line 2: .*synset"):
        module(archive).read()


def test_pointer_without_target_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=f"expected synset {TRAIN[1]}, .*{TRAIN[0]}"):
        read(tmp_path, GOOD)


def test_different_statistics_are_refused(tmp_path: Path):
    archive = write_archive(tmp_path / "wordnet.tar.xz", {"data.verb": [GOOD, line(TRAIN[1])]})
    assert len(module(archive, train_points=1, test_points=0, labels=1).read().train) == 1
    with pytest.raises(UserError, match=r"tiny: expected 7 labels, found 1 in .*wordnet\.tar\.xz"):
        module(archive, train_points=1, labels=7).read()


def test_unknown_parts_of_speech_and_statistics_are_refused():
    with pytest.raises(UserError, match=r"data\.parts_of_speech: .*noun, verb, adj, adv, found verbs"):
        module(EMBEDDED_ARCHIVE, ("verbs",))
    with pytest.raises(UserError, match=r"data\.statistics: .*train_points, test_points, labels, found l;"):
        module(EMBEDDED_ARCHIVE, l=1)
