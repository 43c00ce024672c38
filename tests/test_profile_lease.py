"""The profile for half hours of one GPU: what any moment leaves behind, what it costs, and whose recipe it follows."""

from __future__ import annotations

import pytest

from musiclib.config import TrainConfig
from musiclib.methods.names import MUSIC, NAMES, REFERENCE, row_of
from musiclib.schema import read_mapping
from reproduce.planning import hours
from reproduce.planning.plan import PROFILES, build, profile_names


@pytest.fixture(scope="module")
def jobs():
    plan = build("lease", check_data=False)
    assert plan.problems == []
    return plan.jobs


def cells(job):
    """The (row, seed) that a job has in the end, raw pixels left out: they have one seed."""
    runs = hours.runs_of(job).values()
    return [(row_of(c.method, c.options), c.seed) for c in runs if c.method != "pixels"]


def test_every_job_is_a_complete_comparison(jobs):
    for job in jobs:
        found, seeds = cells(job), range(job.values["seeds"])
        rows = [*job.values["methods"], "random", *(["supervised"] if job.values["supervised_seeds"] else [])]
        assert sorted(found) == sorted((row, s) for row in rows for s in seeds), job.id
        assert "music" in rows
        assert len(set(rows) - set(MUSIC) - set(REFERENCE)) >= 1, "nothing to compare MUSIC with"


def test_a_job_adds_rows_or_a_seed_to_what_is_there_and_trains_nothing_twice(jobs):
    added = hours.new_runs(jobs)
    assert all(added), "a job that trains nothing"
    names = [c.hash() for runs in added for c in runs]
    assert len(names) == len(set(names))
    assert set(names) == {name for job in jobs for name in hours.runs_of(job)}
    for runs in added[1:6]:
        assert len({c.seed for c in runs}) == 1, "one seed after the other"


def test_the_first_part_ends_with_all_twelve_rows_and_supervised_in_three_seeds(jobs):
    (last,) = [j for j in jobs if j.id.endswith("compact_all_rows_3_seeds")]
    assert {row for row, _ in cells(last)} == set(NAMES) - {"pixels"}
    assert {seed for _, seed in cells(last)} == {0, 1, 2}
    assert {(c.encoder, c.epochs) for c in hours.runs_of(last).values() if c.epochs} == {("compact", 50)}
    after = jobs[jobs.index(last) + 1 :]
    assert {(j.values["encoder"], j.values["epochs"]) for j in after} == {("resnet18", 100)}
    assert set(after[-1].values["methods"]) == {*MUSIC, "simclr", "barlow_twins", "vicreg"}


def test_the_expected_minutes_are_those_of_the_cost_model_and_the_first_comparison_fits_into_half_an_hour(jobs):
    for job, minutes in zip(jobs, hours.expected_minutes(jobs), strict=True):
        assert job.minutes == pytest.approx(minutes, rel=0.05), job.id
    assert jobs[0].minutes < 25
    assert all(j.minutes < 30 for j in jobs if j.values["encoder"] == "compact")
    assert read_mapping(PROFILES / "lease.yaml")["budget"]["minutes"] == pytest.approx(
        sum(j.minutes for j in jobs), rel=0.02
    )


def test_the_cost_model_gives_back_the_timing_it_rests_on():
    config = TrainConfig(method="simclr", dataset="cifar10", encoder="resnet18", batch=512, epochs=100)
    assert hours.seconds(config) - hours.PROBES_S == pytest.approx(100 * 11.9)
    # stem, four stages of two blocks, shortcuts: multiplications of a forward pass, by hand
    stem, shortcuts = 32**2 * 27 * 64, sum((32 // 2**i) ** 2 * 32 * 2**i * 64 * 2**i for i in (1, 2, 3))
    first = [1024 * 9 * 64 * 64 * 4] + [(1024 // 4**i) * 9 * (64 * 2**i) ** 2 * 3.5 for i in (1, 2, 3)]
    forward = 2 * (stem + shortcuts + sum(first))
    assert hours.flops_per_view("resnet18") == pytest.approx(3 * forward - 2 * stem, rel=1e-3)


def test_a_small_step_costs_what_its_kernels_need_to_start():
    few = TrainConfig(method="simclr", dataset="cifar10", encoder="tiny", batch=16, epochs=1)
    steps = 50_000 // 16
    assert 1.0 < (hours.seconds(few) - hours.PROBES_S) / (steps * hours.STEP_S) < 1.1


def trained(job, row):
    return next(c for c in hours.runs_of(job).values() if row_of(c.method, c.options) == row)


@pytest.mark.parametrize("row", [*MUSIC, "vicreg"])
def test_resnets_are_trained_by_the_recipe_of_the_follow_up(jobs, row):
    gpu = build("gpu", check_data=False).jobs
    for job in (jobs[-1], gpu[0]):
        config = trained(job, row)
        assert (config.encoder, config.batch, config.optimiser) == ("resnet18", 512, "sgd")
        assert config.peak_lr() == pytest.approx(0.2)
        assert (config.warmup_epochs, config.final_lr) == (10, 0.001)
        assert (config.weight_decay, config.decay_all) == (5e-4, True)
        if row in MUSIC:
            o = config.resolved().options
            assert (o["segments"], o["units"], list(o["projector"])) == (32, 32, [1024, 1024])
            assert o["invariance_weight"] == (row == "music")
    assert {trained(gpu[0], row).decay_all for row in NAMES if row not in ("pixels", "random")} == {True}


def test_the_comparison_of_the_gpu_profile_grows_by_a_seed_a_job(jobs):
    plan = build("gpu", check_data=False)
    steps = [j for j in plan.jobs if j.notebook == "04_comparison"]
    assert [j.values["seeds"] for j in steps] == [1, 2, 3]
    assert set(hours.runs_of(steps[0])) < set(hours.runs_of(steps[1])) < set(hours.runs_of(steps[2]))


def test_the_profiles_are_listed_in_the_order_of_their_cost():
    assert profile_names() == ["quick", "cpu", "lease", "gpu", "imagenet"]
