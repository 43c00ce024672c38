"""The map: cells and their runs, rows that are kept, selection, the rule of patience, predictions and ceilings."""

import dataclasses
import itertools
import json
import math

import pytest
import torch

from musiclib.config import TrainConfig
from musiclib.datasets.attributes_wide import FACTORS
from musiclib.objective import lower_bound
from musiclib.pretrain import run
from musiclib.studies import segment_map
from musiclib.studies.ceilings import AllFactors, ceilings
from musiclib.studies.galleries import purest
from musiclib.studies.segment_cells import BENCHES, PEERS, REMEDIES, VIEWS, WEIGHTS, Cell, config_of, plan
from musiclib.studies.segment_map import main, measure, select, settled, values
from musiclib.studies.segment_predictions import PREDICTED, judge
from musiclib.views import view_preset

TINY = {"epochs": 1, "samples": 256}


# -- cells ------------------------------------------------------------------------------------------------------------


def test_a_cell_is_the_run_that_it_says():
    config = config_of(Cell(c=0.3, views="gentle", seed=2, segments=5, units=8, batch=64, epochs=3, encoder="compact"))
    assert (config.seed, config.batch, config.epochs, config.encoder) == (2, 64, 3, "compact")
    assert config.dataset == "attributes_wide"
    assert config.options["invariance_weight"] == 0.3
    assert (config.options["segments"], config.options["units"]) == (5, 8)
    assert config.views["crop_scale"] == [0.7, 1.0]


def test_the_bench_has_as_many_segments_as_factors_and_units_as_values():
    assert Cell().size == (len(FACTORS), 4)
    assert {len(v) for v in FACTORS.values()} == {4}
    assert Cell(bench="attributes").size == (16, 8)


def test_every_remedy_changes_the_run():
    names = {name: config_of(Cell(remedy=name)).hash() for name in ["", *REMEDIES]}
    assert len(set(names.values())) == len(REMEDIES) + 1
    assert Cell(remedy="K times 4").size == (6, 16)


def test_views_are_ordered_by_strength():
    """No view changes nothing; the crops of the gentle ones are larger than those of the standard ones."""
    none = TrainConfig.from_dict({"dataset": "attributes_wide", "views": VIEWS["none"]}).views
    assert none["crop_scale"] == [1.0, 1.0]
    assert none["flip"] == none["jitter_p"] == none["grey_p"] == 0.0
    low = {name: VIEWS[name].get("crop_scale", view_preset("attributes_wide")[0].crop_scale)[0] for name in VIEWS}
    assert low["none"] > low["gentle"] > low["standard"] > low["strong"]
    assert VIEWS["strong"]["hue"] > view_preset("attributes_wide")[0].hue


@pytest.mark.parametrize("field", ["bench", "views", "remedy", "method"])
def test_unknown_names_are_answered_with_the_choices(field):
    with pytest.raises(ValueError, match=f"{field}='nothing': one of "):
        Cell(**{field: "nothing"})


def test_the_plan_crosses_weights_and_views_with_three_seeds():
    stages = plan()
    cells = list(itertools.chain(*stages.values()))
    assert len(cells) == len(set(cells))
    base = [c for c in cells if dataclasses.replace(c, views="none", c=0.0, seed=0) == Cell(views="none", c=0.0)]
    assert {(c.views, c.c) for c in base} == set(itertools.product(VIEWS, WEIGHTS))
    assert all(sum(dataclasses.replace(c, seed=0) == Cell(c=w) for c in base) == 3 for w in WEIGHTS)
    assert {c.method for c in stages["peers"]} == set(PEERS)
    assert {c.bench for c in cells} == set(BENCHES)
    assert all(config_of(c).resolved() for c in cells)


# -- rows -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("map")


@pytest.fixture(scope="module")
def trained(folder):
    calls = []

    def train(config):
        calls.append(config.hash())
        return run(config, folder / "runs" / config.hash(), evaluate=False, progress=False)

    return train, calls


def test_a_row_says_where_a_run_lies_and_is_kept(folder, trained):
    train, calls = trained
    cell = Cell(c=0.0, **TINY)
    row = measure(cell, folder, train)
    s = row["scores"]
    assert row["cell"] == dataclasses.asdict(cell)
    assert s["gap"] == pytest.approx(s["loss"] - lower_bound(4, invariance_weight=0.0))
    assert 0 <= s["sharpness"] <= 1
    assert -0.05 < s["redundancy"] <= 1
    assert {f"readable/{f}" for f in FACTORS} | {f"best/{f}" for f in FACTORS} <= set(s)
    assert s["linear"] == pytest.approx(sum(s[f"linear/{f}"] for f in FACTORS) / 6)
    assert [e["epoch"] for e in row["curve"]] == [1]
    before = len(calls)
    assert measure(cell, folder, train) == row
    assert len(calls) == before


def test_other_code_scores_again_without_training_again(folder, trained, monkeypatch):
    train, _ = trained
    cell = Cell(c=0.0, **TINY)
    row = measure(cell, folder, train)
    monkeypatch.setattr(segment_map.record, "sources_hash", lambda *_: "other")
    again = measure(cell, folder, train)
    assert again["scored_by"] == "other"
    assert again["scores"] == pytest.approx(row["scores"])


def test_peers_are_cut_to_codes_of_the_same_size(folder, trained):
    row = measure(Cell(method="simclr", **TINY), folder, trained[0])
    assert "sharpness" not in row["scores"]
    assert 0 <= row["scores"]["matched"] < 1


def test_a_ceiling_reads_every_factor(folder):
    row = measure(Cell(ceiling=True, **TINY), folder, train=None)
    assert set(row["scores"]) == {f"readable/{f}" for f in FACTORS}
    assert row["scores"]["readable/ground"] > 0.5 > row["scores"]["readable/texture"]


def test_the_third_order_control_is_another_training_from_the_same_start(folder, trained):
    train, calls = trained
    before = len(calls)
    plain, third = (measure(Cell(c=0.0, third=w, **TINY), folder, train) for w in (0.0, 2.0))
    assert len(calls) - before <= 1
    assert "run" not in third
    assert third["scores"]["loss"] != plain["scores"]["loss"]
    assert -3 * math.log(4) < third["scores"]["loss"] < 0
    assert measure(Cell(c=0.0, third=2.0, **TINY), folder, train=None) == third


def test_rows_from_before_a_field_have_its_default():
    old = {name: value for name, value in dataclasses.asdict(Cell(c=0.0)).items() if name != "third"}
    rows = [{"cell": old, "scores": {}}]
    assert select(rows, c=0.0) == rows
    assert select(rows, c=0.0, third=1.0) == []


def test_select_takes_the_defaults_for_what_is_not_named():
    rows = [
        {"cell": dataclasses.asdict(cell), "scores": {"x": cell.seed}} for cell in itertools.chain(*plan().values())
    ]
    found = select(rows, c=0.0)
    assert {(r["cell"]["views"], r["cell"]["epochs"], r["cell"]["bench"]) for r in found} == {("standard", 12, "wide")}
    assert values(reversed(found), "x") == [0, 1, 2]
    assert {r["cell"]["epochs"] for r in select(rows, c=0.0, epochs=...)} == {12, 24, 48, 96}
    assert values(found, "y") == []


def settling(**moves):
    """Rows of 12, 24 and 48 epochs; moves: score -> (since 12, since 24)."""
    base = {"redundancy": 0.5, "purity": 0.4, "loss": -3.0}
    found, total = {}, dict(base)
    for place, epochs in enumerate((12, 24, 48)):
        if place:
            total = {k: v + moves.get(k, (0, 0))[place - 1] for k, v in total.items()}
        found[epochs] = [{"cell": dataclasses.asdict(Cell(epochs=epochs, seed=s)), "scores": total} for s in (0, 1)]
    return found


def test_patience_ends_where_nothing_moves_by_more_than_a_twentieth():
    assert settled(settling()) == 24
    assert settled(settling(redundancy=(-0.1, 0.01))) == 48
    assert settled(settling(purity=(0.1, 0.1))) is None
    assert settled(settling(loss=(-0.06 * math.log(4), 0.0))) == 48
    assert settled(settling(loss=(-0.04 * math.log(4), 0.0))) == 24
    assert settled({12: settling()[12]}) is None


def test_the_command_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    cells = [Cell(c=c, **TINY) for c in (0.0, 1.0)]
    monkeypatch.setattr(segment_map, "plan", lambda seeds=(0,): {"weights": cells, "views": cells[:1]})
    assert main(["--out", str(tmp_path), "--minutes", "0"]) == 0
    assert not (tmp_path / "rows.jsonl").exists()
    assert main(["--out", str(tmp_path), "--stages", "weights"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [r["cell"]["c"] for r in rows] == [0.0, 1.0]
    assert main(["--out", str(tmp_path)]) == 0
    assert "weights: 2 of 2 cells" in capsys.readouterr().out
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 3
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--stages", "nothing"])


# -- ceilings ---------------------------------------------------------------------------------------------------------


def test_the_supervised_loss_is_the_sum_over_factors():
    class Flat(torch.nn.Flatten):
        features = 12

    factors = {"a": torch.tensor([0, 1, 1]), "b": torch.tensor([2, 0, 1])}
    method = AllFactors(Flat(), factors, samples=3, steps=1)
    for head in method.heads:
        torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)
    x = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    out = method(x, x, torch.tensor([2, 0]))
    assert out.loss.item() == pytest.approx(math.log(2) + math.log(3), abs=1e-6)
    assert set(out.terms) == {"a", "b"}


def test_images_without_factors_have_no_ceilings():
    with pytest.raises(ValueError, match="'digits': its images have no factors"):
        ceilings(TrainConfig.from_dict({"dataset": "digits"}))


# -- predictions and galleries ----------------------------------------------------------------------------------------


def test_predictions_name_views_and_factors_of_the_bench():
    for by_views in PREDICTED.values():
        assert set(by_views) == set(VIEWS)
        assert set(itertools.chain(*by_views.values())) <= set(FACTORS)


@pytest.mark.parametrize(
    ("held", "readable", "ceiling", "outcome"),
    [
        (True, [0.8, 0.82, 0.81], 1.0, "hit"),
        (False, [0.8, 0.82, 0.81], 1.0, "miss"),
        (False, [0.1, 0.12, 0.11], 1.0, "hit"),
        (True, [0.1, 0.12, 0.11], 1.0, "miss"),
        (True, [0.3, 0.32, 0.31], 0.4, "hit"),
        (True, [0.2, 0.9, 0.5], 1.0, "open"),
        (True, [0.8], 1.0, "open"),
        (False, [0.0, 0.0, 0.0], 0.05, "open"),
    ],
)
def test_predictions_are_judged_against_half_of_the_ceiling(held, readable, ceiling, outcome):
    assert judge(held, readable, ceiling) == outcome


def test_galleries_show_the_purest_segment_of_each_factor():
    """Segment 0 is noise, 1 says the shape, 2 the hue but for a tenth: purest first, strongest images on top."""
    g = torch.Generator().manual_seed(0)
    shape, hue = (torch.randint(4, (400,), generator=g) for _ in range(2))
    blurred = torch.where(torch.rand(400, generator=g) < 0.1, torch.randint(4, (400,), generator=g), hue)
    labels = torch.stack([torch.randint(4, (400,), generator=g), shape, blurred], dim=1)
    q = torch.nn.functional.one_hot(labels, 4) * 0.6 + 0.1
    q[7, 1] = torch.eye(4)[labels[7, 1]]
    found = purest(q, {"shape": shape, "hue": hue}, {"shape": "abcd", "hue": "wxyz"}, count=2, images=2)
    first, second = found
    assert first.startswith("segment 2: shape explains 100 %")
    assert second.startswith("segment 3: hue explains")
    units, names = found[first]
    assert names == ["a\n100 %", "b\n100 %", "c\n100 %", "d\n100 %"]
    assert units[int(shape[7])][0] == 7
    assert [len(u) for u in units] == [2] * 4


def test_a_unit_without_images_says_so():
    q = torch.eye(4)[torch.tensor([0, 1, 2, 0, 1, 2])][:, None]
    found = purest(q, {"f": torch.tensor([0, 1, 2, 0, 1, 2])}, {"f": "abc"})
    assert next(iter(found.values()))[1][3] == "never used"


def test_only_images_whose_largest_unit_it_is_stand_above_a_unit():
    """The third image presses the second unit harder than the second does, and the first unit harder still."""
    q = torch.tensor([[1.0, 0.0, 0.0], [0.32, 0.35, 0.33], [0.55, 0.45, 0.0], [0.0, 0.0, 1.0]])[:, None]
    ((units, _),) = purest(q, {"f": torch.tensor([0, 1, 0, 2])}, {"f": "abc"}).values()
    assert units == [[0, 2], [1], [3]]
