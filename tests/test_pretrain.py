"""The training loop: what it sees in which order, what it leaves behind, what stops it."""

from __future__ import annotations

import dataclasses
import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from musiclib import datasets, files
from musiclib.config import TrainConfig
from musiclib.methods import METHODS
from musiclib.pretrain import FolderTaken, checkpoint, load_encoder, load_method, run
from musiclib.pretrain.__main__ import main
from musiclib.pretrain.assemble import Streamed, build_method, view_configs
from musiclib.pretrain.feed import batches, derived_seed, epoch_order
from musiclib.pretrain.loop import NonFinite, TrainState, Watch
from musiclib.pretrain.progress import Display, duration, levels
from musiclib.views import plain, two_views

SMALL = {"dataset": "digits", "encoder": "tiny", "epochs": 1, "batch": 256, "options": {"segments": 4, "units": 4}}


def small(**changes) -> TrainConfig:
    return TrainConfig.from_dict({**SMALL, **changes})


# --- order and views


def test_every_epoch_visits_each_sample_at_most_once_in_an_order_of_its_own():
    orders = [epoch_order(103, 10, seed=3, epoch=e) for e in (0, 1)]
    for order in orders:
        assert order.shape == (10, 10)  # the last 3 are dropped
        assert len(set(order.flatten().tolist())) == 100
        assert order.min() >= 0
        assert order.max() < 103
    assert not torch.equal(*orders)
    assert not torch.equal(orders[0], epoch_order(103, 10, seed=4, epoch=0))
    assert torch.equal(orders[1], epoch_order(103, 10, seed=3, epoch=1))


def test_derived_seeds_are_distinct_and_fit_a_generator():
    seeds = {derived_seed(s, p, n) for s in range(5) for p in ("order", "views") for n in range(50)}
    assert len(seeds) == 500
    assert all(0 <= s < 2**63 for s in seeds)


def test_batches_from_the_middle_of_an_epoch_are_those_of_the_whole_epoch():
    images = datasets.load("digits").images[:100]
    views = view_configs(small())
    whole = list(batches(images, views, batch=20, seed=1, epoch=2))
    rest = list(batches(images, views, batch=20, seed=1, epoch=2, first=3))
    assert len(whole) == 5
    for a, b in zip(whole[3:], rest, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not torch.equal(whole[0][1], whole[0][2])  # two different views
    index, x1, _ = whole[0]
    other = next(batches(images, views, batch=20, seed=1, epoch=3))
    assert not torch.equal(other[0], index)
    assert x1.shape == (20, 1, 16, 16)


def test_views_belong_to_the_samples_that_the_index_names():
    images = datasets.load("digits").images[:40]
    changes = {"crop_scale": [1.0, 1.0], "crop_ratio": [1.0, 1.0], "jitter_p": 0.0}
    views = view_configs(small(views=changes))
    for index, x1, x2 in batches(images, views, batch=8, seed=0, epoch=0):
        expected = plain(images[index], views[0])
        torch.testing.assert_close(x1, expected)
        torch.testing.assert_close(x2, expected)


@pytest.fixture
def tree(tmp_path):
    """train/CLASS/*.png and test/CLASS/*.png: two colours that a random encoder tells apart."""
    noise = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for name, colour in (("blue", (20, 40, 200)), ("red", (200, 40, 20))):
            folder = tmp_path / "tree" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(np.array(colour) + noise.integers(-20, 20, (40, 30, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "tree"


def streamed(tree, **changes) -> TrainConfig:
    return small(
        dataset=f"imagenet:{tree}", dataset_options={"workers": 0}, batch=8, epochs=2, views={"size": 16}, **changes
    )


def test_a_tree_too_large_for_memory_comes_from_a_stream(tree, tmp_path):
    config = streamed(tree)
    done = run(config, tmp_path / "r", progress=False)
    assert done["data"]["samples"] == 24
    assert [e["step"] for e in done["curve"]] == [3, 6]
    assert 0.5 <= done["metrics"]["linear/test/top1"] <= 1
    with pytest.raises(ValueError, match="streamed"):
        run(streamed(tree, validation=True), tmp_path / "v", progress=False)


def test_batches_of_a_stream_are_its_crops_without_a_second_crop(tree):
    config = streamed(tree)
    stream = Streamed.open(config, "train").stream
    off = {"jitter_p": 0.0, "grey_p": 0.0, "flip": 0.0, "blur_p": 0.0, "solarise_p": 0.0}
    views = tuple(dataclasses.replace(v, **off) for v in view_configs(config))
    got = list(batches(stream, views, batch=8, seed=0, epoch=1, first=1))
    raw = list(stream.batches(1, 1))
    assert len(got) == len(raw) == 2
    for (index, x1, x2), (positions, c1, c2, _) in zip(got, raw, strict=True):
        assert torch.equal(index, positions)
        torch.testing.assert_close(x1, plain(c1, views[0]))
        torch.testing.assert_close(x2, plain(c2, views[0]))


# --- a run and its record


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "runs" / "one"
    config = small(epochs=2)
    return config, folder, run(config, folder, progress=False)


def test_the_record_says_what_was_run_where_and_what_came_out(finished):
    config, folder, done = finished
    assert done == files.read_json(folder / "record.json")
    assert done == files.read_lines(folder.parent.parent / "records.jsonl")[0]
    assert (done["schema"], done["status"], done["kind"], done["error"]) == (1, "done", "pretrain", None)
    assert done["run"] == config.hash()
    assert TrainConfig.from_dict(done["config"]) == config.resolved()
    assert (done["method"], done["dataset"], done["seed"]) == ("music", "digits", 0)
    assert {"linear/test/top1", "knn/test/top1"} <= done["metrics"].keys()
    assert 0.5 < done["metrics"]["linear/test/top1"] <= 1  # chance is 0.1
    train = datasets.load("digits", "train")
    expected = {"name": "digits", "checksum": train.checksum, "samples": len(train), "identity": {}}
    assert done["data"] == expected
    per_epoch = len(train) // 256
    assert [(e["epoch"], e["step"]) for e in done["curve"]] == [(1, per_epoch), (2, 2 * per_epoch)]
    for entry in done["curve"]:
        parts = entry["diagonal"] + entry["off_diagonal"] + entry["invariance"]
        assert entry["loss"] == pytest.approx(parts, abs=1e-4)
        assert entry["gradient norm"] > 0
    assert done["curve"][1]["loss"] < done["curve"][0]["loss"]
    assert done["monitor"] == done["curve"][-1]["health"]
    assert done["collapsed"] is False
    assert done["time"]["views_per_s"] == pytest.approx(4 * per_epoch * 256 / done["time"]["train_s"])
    assert done["time"]["wall_s"] > done["time"]["train_s"] > 0
    assert done["memory"]["peak_mb"] > 50
    assert done["code"]["trained_by"] == [done["code"]["sources"]]
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert log == done["curve"]


def test_a_finished_run_returns_at_once_and_is_listed_once(finished, monkeypatch):
    config, folder, done = finished
    monkeypatch.setattr("musiclib.pretrain.lifecycle.Run.work", lambda *_: pytest.fail("trained again"))
    assert run(config, folder, progress=False) == done
    assert len(files.read_lines(folder.parent.parent / "records.jsonl")) == 1


def test_the_folder_of_another_run_is_refused(finished):
    _, folder, done = finished
    with pytest.raises(FolderTaken, match=done["run"]):
        run(small(epochs=3), folder, progress=False)
    assert files.read_json(folder / "record.json") == done


def test_the_encoder_comes_back_trained(finished):
    config, folder, _ = finished
    encoder, loaded = load_encoder(folder)
    assert loaded == config.resolved()
    assert not encoder.training
    saved = checkpoint.load(folder / "checkpoint")["method"]
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, saved[f"encoder.{name}"])
    untrained = build_method(config, channels=1, samples=1346, steps=10).encoder
    assert not torch.equal(untrained.stem[0].weight, encoder.stem[0].weight)
    method, _ = load_method(folder)
    assert method.projector[-1].weight.shape[0] == 16
    with pytest.raises(FileNotFoundError, match="not the folder of a run"):
        load_encoder(folder.parent)


def test_the_caller_s_random_numbers_are_left_alone(tmp_path):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    run(small(), tmp_path / "a", progress=False, evaluate=False)
    assert torch.equal(torch.rand(3), expected)


def test_the_same_configuration_gives_the_same_bits_and_another_seed_does_not(tmp_path):
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(1)
        run(small(seed=seed), tmp_path / name, progress=False, evaluate=False)
        weights.append(checkpoint.load(tmp_path / name / "checkpoint")["method"]["projector.0.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_with_validation_the_test_set_is_not_even_read(tmp_path, monkeypatch):
    load = datasets.load

    def guarded(name, split="train", **keywords):
        assert split == "train", "the test set was read"
        return load(name, split, **keywords)

    monkeypatch.setattr(datasets, "load", guarded)
    done = run(small(validation=True), tmp_path / "r", progress=False)
    assert {"linear/validation/top1", "knn/validation/top1"} <= done["metrics"].keys()
    assert not any("/test/" in name for name in done["metrics"])
    assert done["data"]["samples"] < len(load("digits", "train"))


@pytest.mark.parametrize("method", ["pixels", "random", "supervised"])
def test_reference_rows_come_through_the_same_door(tmp_path, method):
    done = run(small(method=method, options={}), tmp_path / "r", progress=False)
    assert done["metrics"]["linear/test/top1"] > 0.5
    if method == "supervised":
        assert done["curve"][0]["cross_entropy"] < 2 * math.log(10)
        assert load_method(tmp_path / "r")[0].projector.out_features == 10
    else:
        assert done["curve"] == []
        assert done["time"]["train_s"] == 0


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_trains_in_this_loop(tmp_path, name):
    options = {"projector": [64, 32]} | ({"segments": 4, "units": 4} if name == "music" else {})
    done = run(small(method=name, options=options, batch=448, epochs=2), tmp_path / "r", progress=False, evaluate=False)
    assert len(done["curve"]) == 2
    assert math.isfinite(done["monitor"]["effective_rank"])
    load_method(tmp_path / "r")


# --- what stops it


def test_a_value_that_is_not_finite_stops_the_run_and_says_where(tmp_path):
    config = small(epochs=4, lr=1e30, warmup_epochs=0.0)
    with pytest.raises(NonFinite, match=r"step \d+: .* is not finite at learning rate \S+e\+\d\d\. .*step-000000000"):
        run(config, tmp_path / "r", progress=False)
    failed = files.read_json(tmp_path / "r" / "record.json")
    assert failed["status"] == "failed"
    assert failed["error"]["type"] == "NonFinite"
    assert failed["error"]["step"] >= 1
    for value in checkpoint.load(tmp_path / "r" / "checkpoint")["method"].values():
        assert torch.isfinite(value).all()


def test_the_watch_finds_the_first_bad_value_among_those_not_yet_read():
    class Out:
        def __init__(self, loss, term):
            self.loss, self.terms = torch.tensor(loss), {"invariance": torch.tensor(term)}

    watch, sums = Watch(), {}
    watch.add(1, 0.1, Out(2.0, 1.0), torch.tensor(3.0))
    watch.add(2, 0.2, Out(4.0, 3.0), torch.tensor(5.0))
    assert watch.read(sums, str) == {"loss": 3.0, "gradient norm": 4.0, "invariance": 2.0}
    assert sums == {"loss": [6.0, 2], "gradient norm": [8.0, 2], "invariance": [4.0, 2]}
    assert watch.read(sums, str) == {}
    watch.add(3, 0.3, Out(1.0, math.inf), torch.tensor(1.0))
    watch.add(4, 0.4, Out(math.nan, 1.0), torch.tensor(1.0))
    with pytest.raises(NonFinite, match=r"step 3: invariance .* 0\.3\. LEFT") as caught:
        watch.read(sums, lambda: "LEFT")
    assert (caught.value.step, caught.value.term) == (3, "invariance")


def test_a_batch_larger_than_the_set_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"batch is 4096.*1346|batch is 4096.*training samples"):
        run(small(batch=4096), tmp_path / "r", progress=False)


# --- display and command


def test_the_lines_show_the_loss_beside_its_landmarks():
    config = TrainConfig(encoder="tiny", options={"segments": 4, "units": 8})
    method = build_method(config, channels=1, samples=10, steps=5)
    marks = levels(method)
    assert marks["bound"] == pytest.approx(-3 * math.log(8))
    assert marks["uniform"] == pytest.approx(-(1 + 2 / 8) * math.log(8))
    assert marks["constant"] == 0
    out = io.StringIO()
    display = Display("t", steps=20, per_epoch=10, views=64, landmarks=marks, terminal=False, out=out)
    state = TrainState(step=20, curve=[{"health": {"effective_rank": 3.25, "usage_mean": 0.5}}])
    assert not display.due(display.started + 9)
    assert display.due(display.started + 10.5)
    display.show(state, {"loss": 1.0}, 0.1, None)  # not due: nothing
    assert out.getvalue() == ""
    display.show(state, {"loss": -1.5, "invariance": 0.25, "gradient norm": 2.0}, 0.1, None, ended=True)
    line = out.getvalue()
    for part in ("epoch 2/2", "step 20/20", "loss -1.5000 (bound -6.238", "uniform -2.599", "constant 0.000",
                 "invariance 0.2500", "effective rank 3.25", "usage mean 0.5", "views/s", "left"):  # fmt: skip
        assert part in line
    assert line.count("\n") == 1


def test_on_a_terminal_there_is_a_bar():
    out = io.StringIO()
    display = Display("t", steps=20, per_epoch=10, views=64, start=5, terminal=True, out=out)
    display.show(TrainState(step=10, curve=[{}]), {"loss": -1.5}, 0.1, None, ended=True)
    display.close()
    assert "10/20" in out.getvalue()
    assert "loss -1.5" in out.getvalue()


def test_durations_read_like_a_clock():
    assert [duration(s) for s in (0, 7.4, 75, 3723, -2)] == ["0:00", "0:07", "1:15", "1:02:03", "0:00"]


def test_the_command_shows_its_configuration_and_runs_it(tmp_path, capsys):
    common = ["--dataset", "digits", "--encoder", "tiny", "--set", "options.segments=4", "--out", str(tmp_path)]
    arguments = [*common, "--set", "options.units=4", "--method", "music", "--epochs", "1", "--batch", "448"]
    assert main([*arguments, "--show-config"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["run"] == small(batch=448).hash()
    assert main([*arguments, "--no-progress"]) == 0
    assert "linear/test/top1" in capsys.readouterr().out
    assert len(files.read_lines(tmp_path / "records.jsonl")) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--set", "epoch=3"], 2, "did you mean 'epochs'"),
        (["--set", "options.segment=3"], 2, "did you mean 'segments'"),
        (["--set", "views.flips=0"], 2, "did you mean 'flip'"),
        (["--method", "musik"], 2, "'musik'"),
        (["--config", "/nonexistent.yaml"], 2, "nonexistent"),
        (["--threads", "0"], 2, "at least 1"),
        (["--dataset", "cifar10", "--data-root", "/nonexistent"], 3, "nonexistent"),
        (["--dataset", "digits", "--encoder", "tiny", "--set", "lr=1e30", "--set", "warmup_epochs=0"], 4, "not finite"),
    ],
)
def test_exit_codes_tell_what_went_wrong(tmp_path, capsys, monkeypatch, arguments, code, text):
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    assert main([*arguments, "--out", str(tmp_path), "--no-progress"]) == code
    assert text in capsys.readouterr().err


def test_a_foreign_folder_has_an_exit_code_of_its_own(tmp_path, capsys):
    config = small()
    files.write_json(tmp_path / "runs" / config.hash() / "config.json", small(seed=1).to_dict())
    file = tmp_path / "c.yaml"
    file.write_text(json.dumps(config.to_dict()))
    assert main(["--config", str(file), "--out", str(tmp_path)]) == 5
    assert small(seed=1).hash() in capsys.readouterr().err


def test_two_views_of_the_library_are_those_of_the_loop():
    images = datasets.load("digits").images[:16]
    views = view_configs(small())
    index, x1, x2 = next(batches(images, views, batch=16, seed=0, epoch=0))
    generator = torch.Generator().manual_seed(derived_seed(0, "views", 0))
    expected = two_views(images[index], views, generator)
    torch.testing.assert_close((x1, x2), expected)
