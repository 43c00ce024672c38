"""`python -m musiclib.evaluate`: weights of others scored, recorded, shown in a table; every way of going wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from plugin_sources import DATASET, ENCODER
from reproduce_fixtures import training_record
from test_plugins import write  # noqa: F401  a fixture

from musiclib.datasets import load
from musiclib.encoders import build_encoder
from musiclib.evaluate import __main__ as command
from musiclib.evaluate import evaluate_features, extract
from musiclib.evaluate.__main__ import EXIT, main
from musiclib.evaluate.foreign import Evaluation
from musiclib.views import view_preset
from reproduce.judging import compare, foreign, records, report, tables


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A file with the weights of a drawn encoder for grey images, as a training elsewhere may leave it."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        state = build_encoder("tiny", 1).state_dict()
    path = tmp_path_factory.mktemp("weights") / "elsewhere.pth"
    torch.save({"state_dict": {**{f"module.{k}": v for k, v in state.items()}, "module.fc.bias": torch.ones(3)}}, path)
    return path


def call(weights: Path, out: Path, *more: str, encoder: str = "tiny", dataset: str = "digits") -> list[str]:
    return ["--weights", str(weights), "--encoder", encoder, "--dataset", dataset, "--out", str(out), *more]


def only_record(out: Path) -> dict:
    (line,) = (out / "records.jsonl").read_text().splitlines()
    return json.loads(line)


def test_a_file_is_scored_by_the_same_probes_and_leaves_a_record(weights, tmp_path, capsys):
    assert main(call(weights, tmp_path, "--features", str(tmp_path / "deep" / "f.npz"), "--seed", "3")) == 0
    found = only_record(tmp_path)
    assert records.faults(found) == []
    assert json.loads((tmp_path / "runs" / found["run"] / "record.json").read_text()) == found
    assert found["weights"] | {"bytes": 0, "sha256": ""} == {
        "file": "elsewhere.pth", "bytes": 0, "sha256": "", "naming": "own", "prefix": "module.",
        "ignored": ["module.fc.bias"],
    }  # fmt: skip
    said = capsys.readouterr()
    assert "left out, no part of the encoder: module.fc.bias" in said.err
    assert "linear/test/top1" in said.out

    encoder = build_encoder("tiny", 1)
    state = torch.load(weights, weights_only=True)["state_dict"]
    encoder.load_state_dict({k.removeprefix("module."): v for k, v in state.items() if "fc" not in k})
    train, test = load("digits", "train"), load("digits", "test")
    view = view_preset("digits")[0]
    sides = [extract(encoder, s, view) for s in (train, test)]
    want = evaluate_features(sides[0], train.labels, sides[1], test.labels, seed=3)
    assert {k: v for k, v in found["metrics"].items() if "top1" in k} == pytest.approx(
        {k: v for k, v in want.items() if "top1" in k}, abs=0.01
    )
    with np.load(tmp_path / "deep" / "f.npz", allow_pickle=False) as kept:
        assert set(kept) == {"train", "train_labels", "test", "test_labels", "classes"}
        np.testing.assert_allclose(kept["test"], sides[1], atol=1e-4)
        assert kept["test_labels"].tolist() == test.labels.tolist()
        assert kept["classes"].tolist() == list(train.classes)


def test_everything_that_changes_a_number_is_in_the_name_of_the_record(weights):
    base = {"weights": "a" * 64, "encoder": "tiny", "dataset": "digits"}
    changes = [
        {"weights": "b" * 64}, {"encoder": "compact"}, {"dataset": "attributes"}, {"part": "x"}, {"prefix": "y."},
        {"dataset_options": {"samples": 3}}, {"size": 8}, {"mean": (0.1,)}, {"std": (0.9,)}, {"seed": 1},
    ]  # fmt: skip
    names = {Evaluation(**{**base, **change}).hash() for change in changes}
    assert len(names | {Evaluation(**base).hash()}) == len(changes) + 1
    view = Evaluation(**base, size=8, mean=(0.1,), std=(0.9,)).view()
    assert (view.size, view.mean, view.std) == (8, (0.1,), (0.9,))
    with pytest.raises(ValueError, match="seed is -1"):
        Evaluation(**base, seed=-1)


def test_size_and_normalisation_reach_the_encoder(weights, tmp_path):
    shown = []
    for number, more in enumerate([[], ["--size", "9"], ["--mean", "0.9"], ["--std", "3.0"]]):
        out = tmp_path / str(number)
        assert main(call(weights, out, *more, "--no-probes", "--features", str(out / "f.npz"))) == 0
        with np.load(out / "f.npz") as kept:
            shown.append(kept["test"])
        assert not (out / "records.jsonl").exists()
    for i in range(4):
        for j in range(i):
            assert not np.allclose(shown[i], shown[j])


def test_encoders_and_sets_from_outside_are_scored_too(write, tmp_path):  # noqa: F811
    write(small_net=ENCODER, stripes_set=DATASET)
    path = tmp_path / "w.pth"
    torch.save(build_encoder("small_net:factory", 1).state_dict(), path)
    sets = {"encoder": "small_net:factory", "dataset": "stripes_set:load"}
    assert main(call(path, tmp_path / "a", "--option", "samples=30", **sets)) == 0
    found = only_record(tmp_path / "a")
    assert set(found["config"]["plugins"]) == {"small_net:factory", "stripes_set:load"}
    assert found["data"] == {"samples": 30, "test_samples": 30}
    write(stripes_set=DATASET + "# changed\n")
    assert main(call(path, tmp_path / "b", "--option", "samples=30", **sets)) == 0
    assert only_record(tmp_path / "b")["run"] != found["run"]


def write_tree(folder: Path, *, classes: int = 2, images: int = 6) -> Path:
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in range(classes):
            place = folder / split / f"class{label}"
            place.mkdir(parents=True)
            for i in range(images):
                pixels = generator.integers(0, 100, (20, 20, 3)) + 120 * label
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")
    return folder


def test_a_stream_of_files_is_scored_in_the_order_of_its_files(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(build_encoder("tiny", 3).state_dict(), path)
    tree = write_tree(tmp_path / "tree")
    more = ("--size", "16", "--option", "workers=0", "--features", str(tmp_path / "f.npz"))
    assert main(call(path, tmp_path, *more, dataset=f"imagenet:{tree}")) == 0
    found = only_record(tmp_path)
    assert found["metrics"]["knn/test/top1"] == 1.0
    with np.load(tmp_path / "f.npz") as kept:
        assert kept["test_labels"].tolist() == [0] * 6 + [1] * 6
        assert kept["train"].shape == (12, 128)


def test_what_takes_long_shows_how_far_it_is(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "QUIET", 0.0)
    assert main(call(weights, tmp_path)) == 0
    said = capsys.readouterr().err
    assert "features, train" in said
    assert "1346/1346" in said
    assert "fitting the probes on 1346 x 128 features" in said


# ---------------------------------------------------------------- going wrong


@pytest.mark.parametrize(
    ("more", "kind", "told"),
    [
        (["--encoder", "resnet19"], "usage", "encoder='resnet19': unknown"),
        (["--encoder", "nowhere:f"], "usage", "encoder 'nowhere:f': there is no module 'nowhere'"),
        (["--dataset", "mnist"], "usage", "no views are preset"),
        (["--dataset", "nowhere:load"], "usage", "dataset 'nowhere:load': there is no module"),
        (["--option", "samples"], "usage", "--option 'samples': write KEY=VALUE"),
        (["--option", "samples=3"], "usage", "unknown option 'samples' of dataset 'digits'"),
        (["--no-probes"], "usage", "--no-probes without --features FILE"),
        (["--threads", "0"], "usage", "--threads is 0"),
        (["--seed", "-1"], "usage", "seed is -1"),
        (["--size", "0"], "usage", "size=0"),
        (["--mean", "0.1", "0.2"], "usage", "equally many values"),
        (["--device", "abacus"], "usage", "--device 'abacus': "),
        (["--dataset", "cifar10"], "data", "dataset 'cifar10' was not found"),
        (["--encoder", "compact"], "weights", "does not fit the encoder 'compact'"),
        (["--weights", "gone.pth"], "weights", "there is no file gone.pth"),
        (["--part", "ema"], "weights", "has no entry 'ema'"),
        (["--prefix", "ema."], "weights", "no name in the file is one of the encoder"),
    ],
)
def test_every_mistake_has_its_line_and_its_code(weights, tmp_path, capsys, more, kind, told):
    assert main([*call(weights, tmp_path), "--data-root", str(tmp_path), *more]) == EXIT[kind]
    lines = [
        line for line in capsys.readouterr().err.splitlines() if "left out" not in line and "tensors, " not in line
    ]
    assert lines[0].startswith("musiclib.evaluate: ")
    assert told in lines[0]
    assert len(lines) == 1 or kind == "data"  # where it was looked for stands below
    assert not (tmp_path / "records.jsonl").exists()


def test_a_damaged_file_has_its_code_too(weights, tmp_path):
    path = tmp_path / "half.pth"
    path.write_bytes(weights.read_bytes()[:1000])
    assert main(call(path, tmp_path)) == EXIT["weights"] == 6


def test_a_set_without_labels_gives_features_and_no_probes(tmp_path, write, capsys):  # noqa: F811
    bare = DATASET.replace('torch.uint8), labels, tuple("abcdefgh"[:classes]))', "torch.uint8), None, ())")
    assert bare != DATASET
    write(bare_set=bare)
    path = tmp_path / "w.pth"
    torch.save(build_encoder("tiny", 1).state_dict(), path)
    more = ("--features", str(tmp_path / "f.npz"))
    assert main(call(path, tmp_path, *more, dataset="bare_set:load")) == EXIT["data"]
    assert "has no labels" in capsys.readouterr().err
    assert main(call(path, tmp_path, *more, "--no-probes", dataset="bare_set:load")) == 0
    with np.load(tmp_path / "f.npz") as kept:
        assert set(kept) == {"train", "test", "classes"}


def test_the_help_says_what_it_is_for(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for word in ("resnet18_imagenet", "safetensors", "--prefix", "Exit codes", "timm:NAME"):
        assert word in said


# ---------------------------------------------------------------- tables


def evaluated(seed: int = 0, *, linear: float = 0.7, file: str = "a.pth", digits: str = "1" * 64, **config) -> dict:
    found = training_record("music", seed, linear=linear, run=f"{file}{seed}{linear}")
    chosen = Evaluation(weights=digits, encoder="resnet18", dataset="cifar10", seed=seed, **config).to_dict()
    weights = {"file": file, "bytes": 1, "sha256": digits, "naming": "own", "prefix": "", "ignored": []}
    return {**found, "kind": "evaluate", "config": chosen, "weights": weights}


def test_tables_show_weights_from_outside_beside_what_needs_no_learning():
    lines = [
        evaluated(0), evaluated(1, linear=0.72), evaluated(file="b.pth", digits="2" * 64, size=64),
        training_record("pixels", linear=0.3), training_record("random", linear=0.4), training_record("music"),
        training_record("pixels", dataset="digits"), training_record("random", validation=True),
    ]  # fmt: skip
    (table,) = foreign.build(lines)
    assert [row.label for row in table.rows] == [
        "raw pixels", "random encoder (compact)", "a.pth (resnet18, 11111111)", "b.pth (resnet18, size=64, 22222222)",
    ]  # fmt: skip
    assert table.rows[2].cells["linear/test/top1"].seeds == {0: 0.7, 1: 0.72}
    assert [row.reference for row in table.rows] == [True, True, False, False]
    assert table.title == "cifar10, weights from outside"
    assert len(foreign.every_table(lines)) == len(tables.build(lines)) + 1
    assert foreign.build([r for r in lines if r["kind"] == "pretrain"]) == []


def test_a_report_and_a_comparison_hold_them(tmp_path):
    for name, linear in (("a", 0.7), ("b", 0.6)):
        folder = tmp_path / name
        folder.mkdir()
        lines = [evaluated(0, linear=linear), training_record("pixels", linear=0.3)]
        (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert not records.load(folder).problems
    page = report.write(tmp_path / "a")
    assert "weights from outside" in Path(page).read_text()
    assert list((tmp_path / "a" / "tables").glob("cifar10-weights-*.md"))
    assert "cifar10, weights from outside" in compare.describe(
        compare.compare(tmp_path / "a", tmp_path / "b"), tmp_path / "a", tmp_path / "b"
    )
