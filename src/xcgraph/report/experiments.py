"""Groups runs into experiments, the same config under several seeds, and experiments into sweeps."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xcgraph.identity import NOT_IN_AN_EXPERIMENT
from xcgraph.runs.folder import LeftOut, RunFolder

_STAGES = ("recipe.stage.", "recipe.stages.")  # They repeat the top-level stages.
# Configs of earlier versions have this group, and many values that their recipe did not use.
_EARLIER = "propagation"
_ABSENT = "–"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Runs that differ only in their seed.

    Attributes:
        label: name of the experiment, with the values that distinguish it from others of that name.
        name: name in the config.
        settings: values of the config by dotted key, without values that no result depends on.
        runs: runs by ascending seed.
    """

    label: str
    name: str
    settings: Mapping[str, Any]
    runs: tuple[RunFolder, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(run.seed for run in self.runs)

    def values(self, metric: str) -> list[float]:
        """Return the metric of each run, as a fraction."""
        return [run.metrics[run.split][metric] for run in self.runs]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Experiments that differ only in one number.

    Attributes:
        key: key of that number in the config.
        name: name of the experiment that was swept.
        experiments: experiments by ascending value.
    """

    key: str
    name: str
    experiments: tuple[Experiment, ...]

    @property
    def values(self) -> list[float]:
        """The swept value of each experiment."""
        return [float(experiment.settings[self.key]) for experiment in self.experiments]


def group_runs(runs: Iterable[RunFolder]) -> tuple[list[Experiment], list[LeftOut]]:
    """Group runs on one data set into experiments, by name and then label.

    If runs have equal configs and seeds, the newest one counts. Counted as two seeds, they would make the
    spread look smaller than it is.

    Returns:
        The experiments, and the runs that are left out: repeated runs, and runs of earlier versions, whose
        configs have values without effect.
    """
    groups: dict[str, dict[int, RunFolder]] = {}
    left_out = []
    for run in sorted(runs, key=lambda run: (run.path / "metrics.json").stat().st_mtime_ns, reverse=True):
        if _EARLIER in run.config:
            left_out.append(LeftOut(run.path, f"config of an earlier version, with the group {_EARLIER}"))
            continue
        identity = json.dumps([run.name, flatten(run.config)], sort_keys=True, default=str)
        seeds = groups.setdefault(identity, {})
        if run.seed in seeds:
            left_out.append(LeftOut(run.path, f"repeats {seeds[run.seed].path}: same config, same seed"))
        else:
            seeds[run.seed] = run
    bare = [
        Experiment(
            label=group[min(group)].name,
            name=group[min(group)].name,
            settings=flatten(group[min(group)].config),
            runs=tuple(group[seed] for seed in sorted(group)),
        )
        for group in groups.values()
    ]
    return sorted(_labelled(bare), key=lambda experiment: (experiment.name, experiment.label)), left_out


def find_sweeps(experiments: Sequence[Experiment]) -> list[Sweep]:
    """Find experiments that differ only in one number. Their names may differ too."""
    found: dict[frozenset[str], Sweep] = {}
    numeric = {key for each in experiments for key, value in each.settings.items() if _is_number(value)}
    for key in sorted(numeric, key=lambda key: (len(key), key)):
        left = [each for each in experiments if _is_number(each.settings.get(key))]
        while left:
            line = [left[0], *(other for other in left[1:] if _differ_only_in(key, left[0], other))]
            left = [each for each in left if each not in line]
            members = frozenset(each.label for each in line)
            if len(line) > 1 and members not in found:
                ordered = sorted(line, key=lambda each: float(each.settings[key]))
                found[members] = Sweep(key=key, name=_shortest_name(line), experiments=tuple(ordered))
    return list(found.values())


def find_base(experiments: Sequence[Experiment], base: str) -> Experiment | None:
    """Find the experiment that others are compared with, by label or as the most usual one of a name."""
    named = [each for each in experiments if base in (each.label, each.name)]
    exact = [each for each in named if each.label == base]
    return max(exact or named, key=lambda each: (_usualness(each, experiments), len(each.runs)), default=None)


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a result depends on, by dotted key. A list is one value.

    A config repeats the values of a group where another node refers to the group. A repeated value ends like
    the key of the group, such as ``recipe.graph.num_neighbors``, and is left out.
    """
    values = dict(_leaves(config, ""))
    return {
        key: value
        for key, value in values.items()
        if key.partition(".")[0] not in NOT_IN_AN_EXPERIMENT
        and not key.startswith(_STAGES)
        and not _is_copy(key, values)
    }


def _is_copy(key: str, values: Mapping[str, Any]) -> bool:
    parts = key.split(".")
    # Elsewhere an end without a group can be a value of its own, such as validation.seed.
    shortest = 1 if parts[0] in ("recipe", "stages") else 2
    ends = (".".join(parts[start:]) for start in range(1, len(parts) - shortest + 1))
    return any(end in values and values[end] == values[key] for end in ends)


def _leaves(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", json.dumps(value) if isinstance(value, list) else value


def _labelled(experiments: Sequence[Experiment]) -> Iterator[Experiment]:
    """Add to each name the values in which experiments of that name differ."""
    for one in experiments:
        namesakes = [other for other in experiments if other.name == one.name]
        names = _short_names(_differing_keys(namesakes))
        values = (_setting(name, one.settings[key]) for key, name in names.items() if key in one.settings)
        yield Experiment(
            label=one.name + "".join(values), name=one.name, settings=one.settings, runs=one.runs
        )


def _setting(name: str, value: Any) -> str:  # noqa: ANN401 - any value of a config
    """Format a value. A part is shown by the name of its class."""
    part, _, leaf = f".{name}".rpartition(".")
    if leaf != "_target_":
        return f" {name}={value}"
    return f" {part[1:] or 'recipe'}={str(value).rpartition('.')[2]}"


def _differing_keys(experiments: Sequence[Experiment]) -> list[str]:
    """List the keys in which experiments differ, once for keys with equal last parts and values."""
    kept: dict[tuple[str, ...], str] = {}
    keys = {key for each in experiments for key in each.settings}
    for key in sorted(keys, key=lambda key: (key.count("."), key)):
        values = tuple(str(each.settings.get(key, _ABSENT)) for each in experiments)
        if len(set(values)) > 1:
            kept.setdefault((_leaf(key), *values), key)
    return sorted(kept.values())


def _short_names(keys: Sequence[str]) -> dict[str, str]:
    """Shorten each key to its shortest unique end, such as ``ranker.lr`` for ``stages.ranker.lr``.

    A key that is itself the end of another key stays whole.
    """
    names = {}
    for key in keys:
        parts = key.split(".")
        shortest = max(len(parts) - (2 if parts[-1] == "_target_" else 1), 0)
        ends = (".".join(parts[start:]) for start in range(shortest, -1, -1))
        others = [f".{other}" for other in keys if other != key]
        names[key] = next(
            (end for end in ends if not any(other.endswith(f".{end}") for other in others)), key
        )
    return names


def _differ_only_in(key: str, one: Experiment, other: Experiment) -> bool:
    """Return whether a key is the only one in which two experiments differ."""
    mine, others = one.settings, other.settings
    return [name for name in mine.keys() | others.keys() if mine.get(name) != others.get(name)] == [key]


def _usualness(one: Experiment, experiments: Sequence[Experiment]) -> int:
    """Count the values that an experiment shares with other experiments."""
    return sum(
        other.settings.get(key) == value
        for other in experiments
        if other is not one
        for key, value in one.settings.items()
    )


def _shortest_name(experiments: Sequence[Experiment]) -> str:
    return min((each.name for each in experiments), key=lambda name: (len(name), name))


def _leaf(key: str) -> str:
    return Path(key.replace(".", "/")).name


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any value of a config
    return isinstance(value, int | float) and not isinstance(value, bool)
