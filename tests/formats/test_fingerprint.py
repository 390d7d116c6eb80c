import gzip
import hashlib

from xcgraph.formats.fingerprint import fingerprint_folder


def test_fingerprint_is_the_hash_of_names_and_contents(tmp_path):
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b"two"))
    (tmp_path / "a.txt").write_bytes(b"one")
    lines = f"a.txt {hashlib.sha256(b'one').hexdigest()}\nb.json {hashlib.sha256(b'two').hexdigest()}\n"

    assert fingerprint_folder(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()


def test_compression_does_not_change_the_fingerprint(tmp_path):
    for level in (0, 1, 9):
        (tmp_path / f"gzip{level}").mkdir()
        (tmp_path / f"gzip{level}" / "trn.json.gz").write_bytes(gzip.compress(b"text" * 99, level))
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "trn.json").write_bytes(b"text" * 99)

    assert len({fingerprint_folder(folder) for folder in tmp_path.iterdir()}) == 1


def test_names_and_contents_change_the_fingerprint(tmp_path):
    for folder, name, content in (("1", "a", b"x"), ("2", "b", b"x"), ("3", "a", b"y")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(content)

    assert len({fingerprint_folder(folder) for folder in tmp_path.iterdir()}) == 3
