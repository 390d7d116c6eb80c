"""What those who look on are told: every trained stage with all of its epochs, whichever run trained it."""

import logging

import pytest

from xcgraph.errors import UserError
from xcgraph.pipeline.eclare import Stages
from xcgraph.pipeline.nearest_shortlister import NearestShortlisterConfig
from xcgraph.pipeline.pace import Pace
from xcgraph.pipeline.ranked_ramen import RankedRamen
from xcgraph.pipeline.watch import Watch, check_mode

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.usefixtures("one_thread")]


def watched(recipe, toy, root, mode="quiet"):
    """Fit, and return the number of epochs that was reported last of each stage."""
    told = {}
    pace = Pace(recipe.epochs())
    watch = Watch(mode=mode, report=lambda stage, rows: told.update({stage: len(rows)}), pace=pace)
    recipe.fit(toy.workspace(root, watch=watch))
    assert pace.seconds_left() is None  # nothing is left
    return told


def short(toy):
    stage = toy.stage(max_epochs=1)
    return Stages(surrogate=stage, shortlister=stage, ranker=toy.stage(max_epochs=2))


def ranked_ramen(toy):
    eclare = toy.recipe(stages=short(toy))
    parts = {
        name: getattr(eclare, name) for name in ("graph", "clustering", "tasks", "shortlister", "ranker")
    }
    return RankedRamen(**parts, stages=eclare.stages, num_trees=1, dual_encoder=toy.ramen())


RECIPES = {
    "eclare": lambda toy: toy.recipe(stages=short(toy), num_trees=2),
    "nearest": lambda toy: toy.recipe(stages=short(toy), shortlister=NearestShortlisterConfig(beam_size=6)),
    "ramen": lambda toy: toy.ramen(),
    "ranked ramen": ranked_ramen,
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_knows_its_trainings(name, toy, tmp_path):
    recipe = RECIPES[name](toy)
    assert watched(recipe, toy, tmp_path) == recipe.epochs()


def test_stages_of_an_earlier_run_are_told_of_too(toy, tmp_path, caplog):
    recipe = RECIPES["eclare"](toy)
    first = watched(recipe, toy, tmp_path)
    with caplog.at_level(logging.INFO, logger="xcgraph"):
        assert watched(recipe, toy, tmp_path, mode="lines") == first
    said = [record.getMessage() for record in caplog.records if record.name == "xcgraph.pipeline.watch"]
    assert said == [f"{stage} · taken from an earlier run" for stage in first]


def test_mode_that_is_none_is_refused():
    with pytest.raises(UserError, match="progress must be one of auto, bar, lines, quiet, got loud"):
        check_mode("loud")
