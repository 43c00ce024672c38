"""The explorations: the family of lines is a true code, the bound holds, records resume, the command lists them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import musiclib
from proofs_checks.explore import __main__ as command
from proofs_checks.explore import lines, minima, reversal
from proofs_checks.explore.bounds import loss_lower_bound
from proofs_checks.explore.pictures import FIGURES
from proofs_checks.explore.record import RESULTS, Exploration, run
from proofs_checks.premises import designs


def random_profiles(slopes: int, segments: int, units: int) -> torch.Tensor:
    z = torch.randn(slopes, segments, units, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.softmax(2 * z, -1)


@pytest.mark.parametrize(("slopes", "segments", "units"), [(1, 2, 4), (3, 5, 8), (4, 4, 4)])
def test_the_loss_of_profiles_is_the_loss_of_the_code_they_stand_for(slopes, segments, units):
    profiles = random_profiles(slopes, segments, units)
    codes = lines.expand(profiles)
    assert codes.shape == (slopes * units, segments, units)
    expected = musiclib.code_terms(codes, codes)
    for got, want in zip(lines.profile_terms(profiles), expected, strict=True):
        assert float(got) == pytest.approx(float(want), abs=1e-12)


def test_one_hot_profiles_are_the_partial_bush_array():
    profiles = torch.zeros(3, 4, 8, dtype=torch.float64)
    profiles[..., 0] = 1
    labels = lines.expand(profiles).argmax(-1).numpy()
    expected = designs.partial_bush(8, 3, 4)
    assert {tuple(row) for row in labels} == {tuple(row) for row in expected}


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_no_code_lies_below_the_lower_bound(lam):
    bound = loss_lower_bound(24, 8, lam)
    g = torch.Generator().manual_seed(0)
    best, profiles = lines.minimise(lines.starts(3, 3, 8, g)["hard"], lam, 60)
    assert bound < best < designs.hard_floor(24, 8)
    codes = lines.expand(profiles)
    terms = musiclib.code_terms(codes, codes)
    assert float(terms.diagonal + terms.off_diagonal + lam * terms.invariance) == pytest.approx(best, abs=1e-12)


def test_the_lower_bound_of_a_full_batch_is_not_above_the_attained_minimum():
    assert loss_lower_bound(25, 5, 0.0) <= -3 * np.log(5) + 1e-12
    with pytest.raises(ValueError, match="K >= 3"):
        loss_lower_bound(4, 2, 0.0)


def test_losses_of_many_codes_at_once_are_the_librarys():
    z = torch.randn(3, 6, 2, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for one, got in zip(z, minima.losses(z, 0.7), strict=True):
        flat = one.reshape(6, -1)
        expected = musiclib.MusicLoss(segments=2, invariance_weight=0.7)(flat, flat)
        assert float(got) == pytest.approx(float(expected), abs=1e-12)


def test_batch_losses_from_counts_are_the_librarys():
    labels = np.random.default_rng(0).integers(3, size=(10, 2))
    counts = designs.pair_counts(labels[:, 0], labels[:, 1], 3)[None].astype(float)
    r, lam = 0.8, 1.0
    codes = r * designs.one_hot(labels, 3) + (1 - r) / 3
    terms = musiclib.code_terms(codes, codes)
    got = reversal.batch_losses(counts, counts.sum(2) / 10, counts.sum(1) / 10, r, lam)[0]
    assert got == pytest.approx(float(terms.diagonal + terms.off_diagonal + lam * terms.invariance), abs=1e-12)


def square(number: int) -> dict[str, int]:
    square.calls += 1
    return {"square": number * number}


def test_a_record_resumes_where_it_stopped(tmp_path):
    square.calls = 0
    settings = [{"number": 2}, {"number": 3}]
    first = Exploration("squares", "What is the square?", {}, settings[:1], square)
    assert run(first, tmp_path)["rows"][0]["square"] == 4
    both = Exploration("squares", "What is the square?", {}, settings, square)
    record = run(both, tmp_path)
    assert square.calls == 2
    assert [row["square"] for row in record["rows"]] == [4, 9]
    assert json.loads((tmp_path / "squares.json").read_text())["status"] == "done"


def test_every_exploration_is_listed_and_has_readable_columns(capsys):
    assert command.main([]) == 0
    listed = capsys.readouterr().out
    for name, exploration in command.EXPLORATIONS.items():
        assert exploration.name == name
        assert name in listed
        assert exploration.settings
        assert exploration.reading
    with pytest.raises(SystemExit):
        command.main(["nothing"])


@pytest.mark.parametrize("name", command.EXPLORATIONS)
def test_the_figure_of_an_exploration_comes_from_its_committed_record(name):
    record = json.loads((RESULTS / f"{name}.json").read_text())
    assert record["status"] == "done"
    drawn = FIGURES[name](record["rows"])
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.has_data() for axes in drawn.axes)
    with pytest.raises((ValueError, StopIteration)):
        FIGURES[name]([])
