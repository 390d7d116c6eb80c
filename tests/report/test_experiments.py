import os

from xcgraph.report.experiments import find_base, find_sweeps, group_runs
from xcgraph.runs.folder import find_runs


def copies(hops):
    """Return a recipe that repeats a value of the config, as a resolved config does."""
    return {"network": {"propagation": {"hops": hops}}}


def grouped(run_maker):
    experiments, left_out = group_runs(find_runs([run_maker.root])[0])
    return {each.label: each for each in experiments}, left_out


def test_runs_are_grouped_by_config_without_seed(run_maker):
    run_maker.make(seed=1)
    run_maker.make(seed=0, num_threads=4, paths={"root": "elsewhere"})
    run_maker.make("decaf", hops=0)

    experiments, left_out = grouped(run_maker)

    assert {label: each.seeds for label, each in experiments.items()} == {"decaf": (0,), "eclare": (0, 1)}
    assert left_out == []


def test_label_has_the_values_in_which_namesakes_differ(run_maker):
    for hops in (1, 2):
        run_maker.make(hops=hops, recipe=copies(hops))

    assert list(grouped(run_maker)[0]) == ["eclare hops=1", "eclare hops=2"]


def test_key_is_shortened_to_its_unique_end(run_maker):
    for lr in (1, 2):
        run_maker.make(stages={"ranker": {"lr": lr}, "surrogate": {"lr": 3 - lr}})

    assert list(grouped(run_maker)[0]) == [
        "eclare ranker.lr=1 surrogate.lr=2",
        "eclare ranker.lr=2 surrogate.lr=1",
    ]


def test_values_of_the_recipe_distinguish_runs(run_maker):
    for count in (1, 3):
        run_maker.make(recipe={"graph": {"num_neighbors": 4}, "num_models": count, "top_k": 100})

    experiments, left_out = grouped(run_maker)

    assert list(experiments) == ["eclare num_models=1", "eclare num_models=3"]
    assert left_out == []


def test_part_is_shown_by_its_class_and_values(run_maker):
    run_maker.make(points={"_target_": "some.module.Plain"})
    run_maker.make(points={"_target_": "some.module.Wrapped", "rate": 0.5})

    assert list(grouped(run_maker)[0]) == ["eclare points=Plain", "eclare points=Wrapped rate=0.5"]


def test_key_that_ends_another_stays_whole(run_maker):
    for kind in ("plain", "wrapped"):
        run_maker.make(points={"kind": kind, "points": {"kind": f"in {kind}"}})

    assert list(grouped(run_maker)[0]) == [
        "eclare points.kind=plain points.points.kind=in plain",
        "eclare points.kind=wrapped points.points.kind=in wrapped",
    ]


def test_older_of_two_equal_runs_is_left_out(run_maker):
    old, new = run_maker.make(folder="z"), run_maker.make(folder="a")
    os.utime(old / "metrics.json", (1, 1))

    experiments, left_out = grouped(run_maker)

    assert [run.path for run in experiments["eclare"].runs] == [new]
    assert left_out[0].path == old
    assert "same config, same seed" in left_out[0].reason


def test_sweeps_are_found_across_names_and_repeated_values(run_maker):
    run_maker.make("eclare", hops=1, recipe=copies(1))
    run_maker.make("eclare_two_hops", hops=2, recipe=copies(2))
    run_maker.make("decaf", hops=1, recipe=copies(1), fusion="gated")
    for neighbors in (20, 2):
        run_maker.make(graph={"num_neighbors": neighbors}, recipe=copies(1))

    sweeps = {sweep.key: sweep for sweep in find_sweeps(list(grouped(run_maker)[0].values()))}

    assert {key: sweep.values for key, sweep in sweeps.items()} == {
        "hops": [1, 2],
        "graph.num_neighbors": [2, 4, 20],
    }
    assert {sweep.name for sweep in sweeps.values()} == {"eclare"}


def test_two_learning_rates_are_two_sweeps_not_one(run_maker):
    for ranker, surrogate in ((1, 1), (2, 1), (2, 3)):
        run_maker.make(stages={"ranker": {"lr": ranker}, "surrogate": {"lr": surrogate}})

    sweeps = find_sweeps(list(grouped(run_maker)[0].values()))

    assert {sweep.key: sweep.values for sweep in sweeps} == {
        "stages.ranker.lr": [1, 2],
        "stages.surrogate.lr": [1, 3],
    }


def test_base_is_a_label_or_the_most_usual_experiment_of_a_name(run_maker):
    for neighbors, hops in ((4, 1), (2, 1), (4, 2)):
        run_maker.make(graph={"num_neighbors": neighbors}, hops=hops)
    experiments = list(grouped(run_maker)[0].values())

    assert find_base(experiments, "eclare").label == "eclare num_neighbors=4 hops=1"
    assert find_base(experiments, "eclare num_neighbors=2 hops=1").settings["graph.num_neighbors"] == 2
    assert find_base(experiments, "decaf") is None


def test_values_inside_the_recipe_distinguish_runs(run_maker):
    for dropout in (0.0, 0.5):
        run_maker.make(recipe={"network": {"dropout": dropout}, "stage": {"lr": dropout}})

    assert list(grouped(run_maker)[0]) == ["eclare dropout=0.0", "eclare dropout=0.5"]


def test_runs_of_an_earlier_version_are_left_out(run_maker):
    old, new = run_maker.make(propagation={"hops": 1}, folder="old"), run_maker.make(folder="new")

    experiments, left_out = grouped(run_maker)

    assert [run.path for run in experiments["eclare"].runs] == [new]
    assert [each.path for each in left_out] == [old]
    assert "earlier version" in left_out[0].reason
