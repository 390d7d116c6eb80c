"""Renders a report as Markdown, with the figures in separate files."""

from collections.abc import Iterator

from xcgraph.report.figures import Picture
from xcgraph.report.report import Chapter, Report
from xcgraph.report.tables import Cell, Table

_NUMBER = "---:"


def render_markdown(report: Report) -> dict[str, str]:
    """Return the contents of all files by name: the figures first, ``report.md`` last."""
    figures = {
        _figure_file(number, picture): f'<?xml version="1.0" encoding="utf-8"?>\n{picture.svg}\n'
        for number, chapter in enumerate(report.chapters)
        for picture in chapter.pictures
    }
    return {**figures, "report.md": "\n".join(_lines(report)) + "\n"}


def table_lines(table: Table) -> Iterator[str]:
    """Yield the lines of a table, without its title and note."""
    alignments = [_NUMBER if _is_numeric(table, column) else "---" for column in range(len(table.columns))]
    yield _row(_escape(column) for column in table.columns)
    yield _row(iter(alignments))
    for row in table.rows:
        yield _row(_cell(cell) for cell in row)


def _lines(report: Report) -> Iterator[str]:
    yield from (f"# {_escape(report.title)}", "", report.summary, "")
    for number, chapter in enumerate(report.chapters):
        yield from _chapter_lines(chapter, number)
    if report.left_out:
        yield from _section_lines(report.left_out, level=2)


def _chapter_lines(chapter: Chapter, number: int) -> Iterator[str]:
    yield from (f"## {_escape(chapter.title)}", "")
    for fact in chapter.facts:
        yield from (_escape(fact), "")
    for table in chapter.results:
        yield from _section_lines(table, level=3)
    for picture in chapter.pictures:
        title = _escape(picture.title)
        yield from (f"### {title}", "", f"![{title}]({_figure_file(number, picture)})", "")
        yield from (_escape(picture.caption), "")
    if chapter.missing:
        yield from (
            "### Figures that are missing",
            "",
            *(f"- {_escape(sentence)}" for sentence in chapter.missing),
            "",
        )
    for table in chapter.details:
        yield from _section_lines(table, level=3)


def _section_lines(table: Table, *, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} {_escape(table.title)}", "", _escape(table.note), "")
    yield from table_lines(table)
    yield ""


def _figure_file(number: int, picture: Picture) -> str:
    return f"figures/{number}-{picture.name}.svg"


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = _escape(cell.text)
    return f"**{text}**" if cell.bold else text


def _escape(text: str) -> str:
    """Escape Markdown and HTML: texts come from datasets."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    for letter in "\\`*_[]|":
        text = text.replace(letter, f"\\{letter}")
    return text


def _is_numeric(table: Table, column: int) -> bool:
    return any(row[column].order is not None for row in table.rows)
