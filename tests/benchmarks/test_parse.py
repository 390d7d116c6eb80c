"""Tests of the benchmark of reading sparse text."""

from benchmarks import parse


def test_all_tasks_are_measured_and_tabulated(tmp_path, monkeypatch):
    measure_peak = parse.peak_memory

    def measure_large_file_only(source=None):
        """Start one process rather than three: importing the libraries takes seconds."""
        return measure_peak(source) if source == tmp_path / "1.txt" else 1.0

    monkeypatch.setattr(parse, "peak_memory", measure_large_file_only)
    monkeypatch.setattr(parse, "REPEATS", 1)

    found = parse.measure(tmp_path, 1)

    assert 20 < found[2].peak_megabytes < 10_000
    assert all(one.cpu_seconds > 0 for one in found[3:])
    lines = parse.table(found).splitlines()
    assert len(lines) == 2 + 7
    assert lines[4].startswith("| peak memory: file to memory-mapped rows | 6 |")
    assert any(line.startswith("| parse alone | 6 |") for line in lines)
