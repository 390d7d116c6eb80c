"""The whole report: contents of its files, and old files that survive a failure."""

import errno
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from xcgraph.errors import UserError
from xcgraph.report.html import render_html
from xcgraph.report.markdown import render_markdown, table_lines
from xcgraph.report.published import Published
from xcgraph.report.report import build_report, write_files
from xcgraph.report.tables import Cell, Table

PUBLISHED = [Published(data="toy", method="<OLD>", source="a | paper", values={"P@1": 12.5})]


@pytest.fixture
def report(run_maker, sources):
    for seed in (0, 1):
        run_maker.make("eclare", seed, skill=0.9)
        run_maker.make("decaf", seed, skill=0.2, hops=0, fusion="gated")
    (run_maker.make("eclare", 2) / "metrics.json").unlink()
    return build_report([run_maker.root], sources, published=PUBLISHED)


class Page(HTMLParser):
    """Collects the tags and addresses of an HTML page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href")]


def test_chapter_has_all_tables_and_figures(report):
    (chapter,) = report.chapters

    assert [table.title for table in (*chapter.results, *chapter.details)] == [
        "Metrics",
        "Other metrics",
        "Differences from eclare",
        "Published results and ours",
        "Some labels and their neighbours",
        "Some test points",
        "Time and memory",
        "Provenance of each run",
    ]
    assert [picture.name for picture in chapter.pictures] == [
        "frequency-p-5",
        "frequency-psp-5",
        "beam-recall",
        "time-p-1",
        "time-psp-5",
        "degrees",
    ]
    assert chapter.missing == (
        "Sweeps of one number: no two experiments differ in exactly one number of their config.",
    )
    assert len(report.left_out.rows) == 1
    assert report.summary == "4 runs of 2 experiments; 1 folder left out."


def test_examples_show_view_weights_texts_and_check_marks(report):
    neighbours, points = report.chapters[0].details[:2]

    assert neighbours.columns[2:5] == ("share of text", "share of graph", "share of refinement")
    assert neighbours.rows[0][2].text == "0.50"
    assert re.match(r"label \d+ \(0\.\d\d\)", neighbours.rows[0][-1].text)
    assert len(points.rows) == 8
    assert points.rows[0][0].text.startswith("text of point ")
    assert points.rows[0][2].text.count("✓") > points.rows[0][3].text.count("✓")


def test_html_page_is_self_contained(report):
    html = render_html(report)["report.html"]
    page = Page(html)

    assert page.tags.count("svg") == len(report.chapters[0].pictures)
    assert page.tags.count("table") == 9
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "&lt;OLD&gt;" in html
    assert "<OLD>" not in html


def test_markdown_has_same_tables_and_one_file_per_figure(report):
    files = render_markdown(report)

    text = files["report.md"]
    named = set(re.findall(r"\]\((figures/[^)]+\.svg)\)", text))
    assert named == set(files) - {"report.md"}
    assert len(named) == 6
    assert all(content.startswith("<?xml") for name, content in files.items() if name in named)
    for table in (*report.chapters[0].results, *report.chapters[0].details, report.left_out):
        assert f"# {table.title}" in text
    assert "&lt;OLD>" in text


def test_equal_runs_give_equal_report_files(report, run_maker, sources):
    again = build_report([run_maker.root], sources, published=PUBLISHED)

    assert render_markdown(again) == render_markdown(report)
    assert render_html(again) == render_html(report)


def test_markdown_escapes_cell_texts():
    table = Table(
        title="t", note="n", columns=("a", "b"), rows=((Cell("x|y\n*z*"), Cell("1.0", 1.0, bold=True)),)
    )

    assert list(table_lines(table)) == ["| a | b |", "| --- | ---: |", r"| x\|y \*z\* | **1.0** |"]


def test_report_without_usable_run_is_refused_with_reason(run_maker, sources):
    (run_maker.make() / "run.json").unlink()

    with pytest.raises(UserError, match=r"got 1 unusable: .*no run\.json"):
        build_report([run_maker.root], sources)


def test_missing_base_is_refused_only_if_user_named_it(run_maker, sources):
    run_maker.make("decaf")

    assert any("--base NAME" in fact for fact in build_report([run_maker.root], sources).chapters[0].facts)
    with pytest.raises(UserError, match=r"--base .*ramen.*decaf"):
        build_report([run_maker.root], sources, base="ramen")


def test_files_are_written_to_new_folders_and_replaced(tmp_path):
    write_files(tmp_path / "out", {"figures/a.svg": "1", "report.md": "2"})
    write_files(tmp_path / "out", {"figures/a.svg": "3", "report.md": "4"})

    assert (tmp_path / "out" / "figures" / "a.svg").read_text() == "3"
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a.svg", "figures", "report.md"]


@pytest.mark.parametrize("broken", ["a.svg", "report.md"])
def test_full_disk_keeps_old_report(tmp_path, monkeypatch, broken):
    write_files(tmp_path, {"figures/a.svg": "old", "report.md": "old"})
    open_file = Path.open

    def fill_disk(path, *arguments, **options):
        if broken in path.name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", fill_disk)
    with pytest.raises(OSError, match="No space left"):
        write_files(tmp_path, {"figures/a.svg": "new", "report.md": "new"})
    monkeypatch.undo()

    found = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"a.svg": "old", "report.md": "old"}


def test_drafts_of_killed_process_are_removed(tmp_path):
    (tmp_path / "figures").mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    old, running = tmp_path / "figures" / f".a.svg.{gone.pid}", tmp_path / f".report.md.{os.getppid()}"
    old.write_text("half")
    running.write_text("half")

    write_files(tmp_path, {"figures/a.svg": "new", "report.md": "new"})

    assert not old.exists()
    assert running.exists()
