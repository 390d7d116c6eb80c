import gzip
import io
import json
import tarfile

import pytest

from data_modules.builders.linux import build
from data_modules.builders.raw_set import is_test_point
from xcgraph.errors import UserError

TRAIN = [name for name in (f"do_{number}" for number in range(99)) if not is_test_point(name)]
TEST = [name for name in (f"do_{number}" for number in range(99)) if is_test_point(name)]
FILES = {
    "include/linux/slab.h": """
/* SPDX-License-Identifier: GPL-2.0 */
#define BIG_SIZE(x) (x) /* in KB */
#define SMALL_SIZE(x) ((x) / 2)
#define NOT_A_CALL 1
/* Free memory. */
static inline void kfreeIt(void *p)
{
	BIG_SIZE(1);
}
""",
    "mm/slab.c": f"""
/*
 * my_alloc() - allocate memory
 * @size: how many bytes
 *
 * It may sleep.
 */
void *my_alloc(size_t size)
{{
	return helper(size);
}}

static void *helper(size_t size)
{{
	if (size)
		return 0;
}}

/* Copyright somebody */
int {TRAIN[0]}(void)
{{
	/* other_call(1) */
	printk("my_fake(%d)", SMALL_SIZE(1));
	helper(2);
	kfreeIt(0);
}}
""",
    "fs/open-file.c": f"""
static int {TRAIN[1]}(void)
{{
	my_alloc(1);
	SMALL_SIZE(2);
	{TRAIN[0]}();
}}

int {TEST[0]}(void)
{{
	my_alloc(2);
	kfreeIt(1);
}}
""",
    "drivers/net/a.c": f"int {TRAIN[2]}(void)\n{{\n\tmy_alloc(1);\n}}\n",
    "tools/b.c": f"int {TRAIN[3]}(void)\n{{\n\tmy_alloc(1);\n}}\n",
    "fs/notes.txt": f"int {TRAIN[4]}(void)\n{{\n\tmy_alloc(1);\n}}\n",
}


def write_archive(path, files, *, links=()):
    with tarfile.open(path, "w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"linux-6.1/{name}")
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
        for name in links:
            member = tarfile.TarInfo(f"linux-6.1/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, "nowhere.h"
            archive.addfile(member)
    return path


def read(folder, part):
    lines = gzip.decompress((folder / f"{part}.json.gz").read_bytes()).splitlines()
    return {record.pop("uid"): record for record in map(json.loads, lines)}


def calls(folder, part):
    names = list(read(folder, "lbl"))
    return {
        uid: {names[target] for target in record["target_ind"]} for uid, record in read(folder, part).items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("linux")
    build(write_archive(path / "linux.tar.xz", FILES, links=["include/link.h"]), path / "out")
    return path / "out"


def test_functions_are_labelled_with_functions_and_macros_of_other_files(folder):
    assert calls(folder, "trn") == {
        TRAIN[0]: {"kfreeIt", "SMALL_SIZE"},
        f"fs/open-file.c:{TRAIN[1]}": {"my_alloc", "SMALL_SIZE", TRAIN[0]},
        TRAIN[2]: {"my_alloc"},
        "include/linux/slab.h:kfreeIt": {"BIG_SIZE"},
    }
    assert calls(folder, "tst")[TEST[0]] == {"my_alloc", "kfreeIt"}


def test_texts_are_words_of_the_name_folder_and_comment(folder):
    labels, train = read(folder, "lbl"), read(folder, "trn")

    assert labels["my_alloc"] == {"title": "my alloc", "content": "allocate memory It may sleep"}
    assert labels["kfreeIt"] == {"title": "kfree It", "content": "Free memory"}
    assert train[f"fs/open-file.c:{TRAIN[1]}"]["content"] == "fs open file :"
    assert train[TRAIN[0]]["content"] == "mm slab :"  # the comment with a copyright is left out


def test_comment_of_a_macro_does_not_reach_the_next_line(folder):
    assert read(folder, "lbl")["SMALL_SIZE"] == {"title": "SMALL SIZE", "content": ""}


def test_folders_select_files_besides_include(tmp_path):
    source = write_archive(tmp_path / "linux.tar.xz", FILES)

    build(source, tmp_path / "out", ["mm/", "fs/"])

    assert TRAIN[2] not in calls(tmp_path / "out", "trn")
    assert "SMALL_SIZE" in read(tmp_path / "out", "lbl")


def test_name_that_several_files_define_has_the_longest_comment(tmp_path):
    body = "int twice(void)\n{\n\treturn 0;\n}\n"
    files = {**FILES, "arch/a/a.c": f"/* Short. */\n{body}", "arch/b/b.c": f"/* Much longer. */\n{body}"}
    files["lib/c.c"] = f"int {TRAIN[5]}(void)\n{{\n\ttwice();\n}}\n"

    build(write_archive(tmp_path / "linux.tar.xz", files), tmp_path / "out")

    assert read(tmp_path / "out", "lbl")["twice"] == {"title": "twice", "content": "Much longer"}


@pytest.mark.parametrize("size", [0, 40, 300, -40, -1])
def test_damaged_archive_is_refused(size, tmp_path):
    source = write_archive(tmp_path / "linux.tar.xz", FILES)
    source.write_bytes(source.read_bytes()[:size])

    with pytest.raises(UserError, match=r"linux\.tar\.xz: expected a complete tar\.xz archive, found: "):
        build(source, tmp_path / "out")


def test_other_archive_is_refused(tmp_path):
    source = write_archive(tmp_path / "linux.tar.xz", {"README": "hello"})

    with pytest.raises(UserError, match=r"linux\.tar\.xz: found 0 training points and 0 test points"):
        build(source, tmp_path / "out")
