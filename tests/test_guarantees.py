"""Taking any one guarantee away from the library turns a named test red, and a named check of the theory."""

import importlib
import inspect
import tempfile
from pathlib import Path

import pytest
import torch
from _pytest.outcomes import Failed

from proofs_checks import ROOT
from proofs_checks.mutation.guarantees import BETWEEN_PROCESSES, GUARANTEES, Guarantee, taken_away
from proofs_checks.mutation.page import guarantees_table
from proofs_checks.objective import Objective
from proofs_checks.profiles import QUICK
from proofs_checks.register import run
from proofs_checks.trial import CHECKS

IDS = [guarantee.name for guarantee in GUARANTEES]


def call(guarantee: Guarantee) -> None:
    """The named test, as pytest would call it."""
    file, name = guarantee.test.split("::")
    test = getattr(importlib.import_module(file.removesuffix(".py")), name)
    given = {k: getattr(torch, v) if k == "dtype" else v for k, v in guarantee.given.items()}
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory() as folder:
        fixtures = {
            "generator": torch.Generator().manual_seed(20220),
            "monkeypatch": monkeypatch,
            "tmp_path": Path(folder),
        }
        takes = inspect.signature(test).parameters
        test(**given, **{name: value for name, value in fixtures.items() if name in takes})


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=IDS)
def test_without_it_the_named_test_goes_red_and_with_it_it_is_green(guarantee):
    with taken_away(guarantee), pytest.raises((AssertionError, Failed)):
        call(guarantee)
    call(guarantee)


WITH_CHECK = [guarantee for guarantee in GUARANTEES if guarantee.check]


@pytest.mark.parametrize("guarantee", WITH_CHECK, ids=[guarantee.name for guarantee in WITH_CHECK])
def test_without_it_the_named_check_is_refuted(guarantee):
    with taken_away(guarantee):
        assert run(CHECKS[guarantee.check], Objective, examples=QUICK.controls).verdict == "refuted"


@pytest.mark.parametrize("guarantee", BETWEEN_PROCESSES, ids=[guarantee.name for guarantee in BETWEEN_PROCESSES])
def test_what_needs_two_processes_can_be_taken_away_too(guarantee):
    """Only that the line and the test exist: `python -m proofs_checks.mutation` takes them away and writes it down."""
    assert guarantee.instead in guarantee.remove_from((ROOT / guarantee.file).read_text())
    file, name = guarantee.test.partition("[")[0].split("::")
    assert f"def {name}(" in (ROOT / "tests" / file).read_text()


def test_the_kinds_of_guarantee_that_the_project_names_are_all_there():
    names = " ".join(guarantee.name for guarantee in (*GUARANTEES, *BETWEEN_PROCESSES))
    for kind in ("mask:", "normaliser:", "sign:", "gather:", "log domain:", "gradient:"):
        assert kind in names
    assert guarantees_table().count("\n") == len(GUARANTEES) + len(BETWEEN_PROCESSES) + 1
