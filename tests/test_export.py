"""`python -m musiclib.export`: a run's encoder for others, checked after writing, with a card made from records."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
import yaml
from plugin_sources import ENCODER
from scipy import stats
from test_plugins import write  # noqa: F401  a fixture

from musiclib import files
from musiclib.config import TrainConfig
from musiclib.evaluate.__main__ import main as evaluate
from musiclib.export import card, formats
from musiclib.export.__main__ import EXIT, main
from musiclib.export.source import ExportError, open_source
from musiclib.pretrain import checkpoint, load_encoder, run

SHARED = {"dataset": "digits", "epochs": 1, "batch": 256, "lr": 3e-3, "views": {"size": 12}, "precision": "float32"}
SIMCLR = {**SHARED, "method": "simclr", "options": {"projector": [32, 8]}, "encoder": "tiny"}


def train(folder: Path, *, evaluated: bool = True, **fields) -> Path:
    config = TrainConfig.from_dict(fields)
    run(config, folder / "runs" / config.hash(), progress=False, evaluate=evaluated)
    return folder / "runs" / config.hash()


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """Three seeds of one small run, what needs no learning, and a residual network as torchvision has one."""
    folder = tmp_path_factory.mktemp("trained")
    seeds = [train(folder, **SIMCLR, seed=seed) for seed in (0, 1, 2)]
    floors = [train(folder, **{**SHARED, "method": method}, encoder="tiny") for method in ("pixels", "random")]
    resnet = train(folder, **{**SIMCLR, "encoder": "resnet18_imagenet"}, seed=3)
    return {"run": seeds[0], "second": seeds[1], "pixels": floors[0], "random": floors[1], "resnet": resnet}


def metrics(folder: Path) -> dict:
    return files.read_json(folder / "record.json")["metrics"]


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("name", "form", "file"),
    [("resnet", "torchvision", "encoder_torchvision.pth"), ("run", "safetensors", "encoder.safetensors")],
)
def test_what_is_exported_scores_as_the_run_did(trained, tmp_path, name, form, file, capsys):
    config = files.read_json(trained[name] / "config.json")
    assert main([str(trained[name]), "--format", form, "--out", str(tmp_path)]) == 0
    assert f"{file}: " in capsys.readouterr().out
    text = (tmp_path / "README.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("python -m musiclib.evaluate")]
    arguments = line.split()[3:]
    assert arguments[:2] == ["--weights", file]
    arguments[1] = str(tmp_path / file)
    assert evaluate([*arguments, "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "records.jsonl").read_text())
    assert found["metrics"] == metrics(trained[name])  # the same bits
    assert found["config"]["encoder"] == config["encoder"]
    assert found["config"]["size"] == 12
    assert found["seed"] == config["seed"]


def test_safetensors_hold_the_encoder_and_say_whose_it_is(trained, tmp_path):
    assert main([str(trained["run"]), "--format", "safetensors", "--out", str(tmp_path)]) == 0
    encoder, _ = load_encoder(trained["run"])
    with safetensors.safe_open(tmp_path / "encoder.safetensors", "pt") as file:
        assert file.metadata() == {"run": trained["run"].name, "encoder": "tiny", "channels": "1"}
        assert set(file.keys()) == set(encoder.state_dict())
        assert all(torch.equal(file.get_tensor(k), v) for k, v in encoder.state_dict().items())


def test_torchvisions_names_are_those_of_its_scheme(trained, tmp_path):
    assert main([str(trained["resnet"]), "--format", "torchvision", "--out", str(tmp_path)]) == 0
    state = torch.load(tmp_path / "encoder_torchvision.pth", weights_only=True)
    assert len(state) == 120
    assert {"conv1.weight", "bn1.running_var", "layer2.0.downsample.1.bias", "layer4.1.conv2.weight"} <= set(state)
    encoder, _ = load_encoder(trained["resnet"])
    assert torch.equal(state["layer2.0.downsample.0.weight"], encoder.blocks[2].shortcut[0].weight)
    assert "model = torchvision.models.resnet18()" in (tmp_path / "README.md").read_text()


def test_the_small_stem_is_said_in_torchvisions_words(tmp_path):
    folder = train(tmp_path, **{**SIMCLR, "encoder": "resnet18", "epochs": 0}, evaluated=False)
    assert main([str(folder), "--format", "torchvision"]) == 0
    text = (folder / "export" / "README.md").read_text()
    assert "model.conv1 = torch.nn.Conv2d(1, 64, 3, 1, 1, bias=False)" in text
    assert "model.maxpool = torch.nn.Identity()" in text
    assert "The run was not evaluated." in text
    assert "model-index" not in text


def test_features_are_those_the_run_was_scored_on(trained, tmp_path, capsys):
    assert main([str(trained["run"]), "--format", "features", "--out", str(tmp_path)]) == 0
    recorded = metrics(trained["run"])["knn/test/top1"]
    assert f"nearest neighbours on it: {recorded:.4f}, {recorded:.4f} in the record" in capsys.readouterr().out
    with np.load(tmp_path / "features.npz", allow_pickle=False) as kept:
        assert kept["train"].shape == (1346, 128)
        assert kept["test_labels"].shape == (451,)
        assert len(kept["classes"]) == 10


def test_a_validation_run_exports_its_validation_part(tmp_path):
    folder = train(tmp_path, **SIMCLR, validation=True)
    assert main([str(folder), "--format", "features"]) == 0
    with np.load(folder / "export" / "features.npz") as kept:
        assert set(kept) == {"train", "train_labels", "validation", "validation_labels", "classes"}
    assert main([str(folder), "--format", "safetensors"]) == 0
    text = (folder / "export" / "README.md").read_text()
    assert "not on the test set" in text
    assert "python -m musiclib.evaluate" not in text  # it would score the test set


def test_an_encoder_from_outside_is_exported_and_read_again(tmp_path, write):  # noqa: F811
    write(small_net=ENCODER)
    folder = train(tmp_path, **{**SIMCLR, "encoder": "small_net:factory"})
    assert main([str(folder), "--format", "safetensors"]) == 0
    text = (folder / "export" / "README.md").read_text()
    assert "| from outside: small_net:factory | source " in text
    assert main([str(folder), "--format", "torchvision"]) == EXIT["usage"]
    write(small_net=ENCODER + "# changed\n")
    assert main([str(folder), "--format", "safetensors"]) == EXIT["usage"]


def test_onnx_is_checked_or_refused_in_one_line(trained, tmp_path, capsys):
    code = main([str(trained["run"]), "--format", "onnx", "--out", str(tmp_path)])
    said = capsys.readouterr()
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        assert code == EXIT["usage"]
        assert said.err.startswith("musiclib.export: --format onnx needs the package onnx")
        assert said.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
        return
    assert code == 0
    assert "features of 1, 3 and 8 drawn images within" in said.out


# ---------------------------------------------------------------- the check after writing


def test_a_file_that_does_not_give_the_same_numbers_is_not_left(trained, tmp_path, monkeypatch, capsys):
    whole = formats.safetensors.torch.save_file

    def altered(state, path, metadata=None):
        whole({k: v + 1e-6 if k == "stem.0.weight" else v for k, v in state.items()}, path, metadata=metadata)

    monkeypatch.setattr(formats.safetensors.torch, "save_file", altered)
    assert main([str(trained["run"]), "--format", "safetensors", "--out", str(tmp_path)]) == EXIT["mismatch"] == 4
    assert "encoder.safetensors: the tensors that were read back are not" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_computes_otherwise_is_seen_though_its_tensors_are_right(
    trained, tmp_path, monkeypatch, capsys
):
    whole = formats.load_weights

    def in_training(*arguments):
        loaded = whole(*arguments)
        loaded.encoder.train()
        return loaded

    monkeypatch.setattr(formats, "load_weights", in_training)
    assert main([str(trained["run"]), "--format", "safetensors", "--out", str(tmp_path)]) == EXIT["mismatch"]
    assert "computes other features" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_mixed_up_are_seen(trained, tmp_path, monkeypatch):
    names = formats.torchvision_names

    def mixed(name, own):
        found = names(name, own)
        a, b = "blocks.0.branch.0.weight", "blocks.0.branch.3.weight"  # of one shape
        return {**found, a: found[b], b: found[a]}

    monkeypatch.setattr(formats, "torchvision_names", mixed)
    assert main([str(trained["resnet"]), "--format", "torchvision", "--out", str(tmp_path)]) == EXIT["mismatch"]


def test_features_that_score_otherwise_than_the_record_are_not_left(trained, tmp_path, capsys):
    folder = tmp_path / "runs" / trained["run"].name
    shutil.copytree(trained["run"], folder)
    done = files.read_json(folder / "record.json")
    done["metrics"]["knn/test/top1"] -= 0.02
    files.write_json(folder / "record.json", done)
    assert main([str(folder), "--format", "features"]) == EXIT["mismatch"]
    assert "nearest neighbours on it score" in capsys.readouterr().err
    assert not (folder / "export" / "features.npz").exists()


# ---------------------------------------------------------------- the card


def parsed(text: str) -> tuple[dict, str]:
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_card_has_the_head_of_a_hub_and_numbers_with_intervals_over_the_seeds(trained, tmp_path):
    out = tmp_path / "export"
    more = ("--out", str(out), "--name", "my model", "--license", "mit")
    assert main([str(trained["run"]), "--format", "safetensors", *more]) == 0
    head, body = parsed((out / "README.md").read_text())
    lines = [json.loads(x) for x in (trained["run"].parents[1] / "records.jsonl").read_text().splitlines()]
    values = [100 * r["metrics"]["linear/test/top1"] for r in lines if r["run"] in
              {TrainConfig.from_dict({**SIMCLR, "seed": s}).hash() for s in (0, 1, 2)}]  # fmt: skip
    assert len(values) == 3
    mean = statistics.mean(values)
    half = stats.t.ppf(0.975, 2) * statistics.stdev(values) / 3**0.5
    assert f"| {mean:.2f} ± {half:.2f} |" in body
    (entry,) = head["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "my model"
    assert result["dataset"] == {"type": "digits", "name": "digits", "split": "test"}
    assert result["metrics"][0]["value"] == round(mean, 2)
    assert (head["license"], head["library_name"], head["datasets"]) == ("mit", "musiclib", ["digits"])
    assert {"simclr", "tiny"} <= set(head["tags"])
    assert "raw pixels" in body
    assert "random encoder" in body
    assert "over the seeds 0, 1, 2" in body
    assert f"{100 * metrics(trained['run'])['linear/test/top1']:.2f}" in body
    for title in ("## Files", "## How it was trained", "## Numbers", "## Limits"):
        assert title in body
    assert "normalised by mean [0.305] and standard deviation [0.376]" in body
    assert "12 x 12" in body


def test_a_card_of_one_run_claims_no_interval(trained, tmp_path):
    (tmp_path / "none.jsonl").write_text("")
    source = open_source(trained["run"], tmp_path / "none.jsonl")
    text = card.card(source, {"encoder.safetensors": "same"})
    assert "(1 run)" in text
    assert "±" not in text
    assert "The numbers rest on 1 seed" in text
    assert "how much was learnt is not known" in text
    assert "license" not in text


def test_limits_follow_from_the_record(trained):
    source = open_source(trained["run"])
    assert not any("Collapsed" in line or "other sources" in line for line in card.limits(source))
    source.record["collapsed"] = True
    source.record["code"]["sources"] = "0" * 12
    said = "\n".join(card.limits(source))
    assert "**Collapsed**" in said
    assert "other sources of the library" in said


def test_no_path_of_the_machine_is_on_a_card():
    config = TrainConfig(dataset="folder:/home/somebody/secret/flowers")
    assert card.shown_dataset(config) == "folder:flowers"
    assert card.shown_dataset(TrainConfig(dataset="medmnist:pathmnist")) == "medmnist:pathmnist"
    assert card.default_name(config) == "music-folder-flowers-compact"


def test_a_card_lists_earlier_exports_that_are_still_there(trained, tmp_path):
    assert main([str(trained["run"]), "--format", "safetensors", "--format", "features", "--out", str(tmp_path)]) == 0
    (tmp_path / "features.npz").unlink()
    assert main([str(trained["run"]), "--format", "safetensors", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "README.md").read_text()
    assert "| encoder.safetensors | 60 tensors read back" in text
    assert "features.npz" not in text
    assert main([str(trained["second"]), "--format", "features", "--out", str(tmp_path)]) == 0
    assert "encoder.safetensors" not in (tmp_path / "README.md").read_text()  # of another run


# ---------------------------------------------------------------- going wrong


def test_what_is_no_finished_run_is_refused_in_one_line(trained, tmp_path, capsys):
    cases = {
        str(tmp_path): "is not the folder of a run",
        str(trained["pixels"]): "the method 'pixels' trains nothing",
        str(trained["random"]): "the method 'random' trains nothing",
    }
    broken = {
        "failed": lambda f: edit(f, status="failed"), "other": lambda f: edit(f, run="0" * 12),
        "no_checkpoint": lambda f: shutil.rmtree(f / "checkpoint"),
    }  # fmt: skip
    told = {"failed": "holds no finished training", "other": "record.json is of the run 000000000000",
            "no_checkpoint": "has no checkpoint"}  # fmt: skip
    for name, breaks in broken.items():
        folder = tmp_path / name
        shutil.copytree(trained["run"], folder)
        breaks(folder)
        cases[str(folder)] = told[name]
    for folder, words in cases.items():
        assert main([folder, "--format", "safetensors"]) == EXIT["usage"]
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert words in said
    assert main([str(trained["run"]), "--format", "features", "--records", str(tmp_path / "no")]) == EXIT["usage"]
    assert "there is no such file" in capsys.readouterr().err
    with pytest.raises(ExportError):
        open_source(tmp_path)


def edit(folder: Path, **changes) -> None:
    files.write_json(folder / "record.json", {**files.read_json(folder / "record.json"), **changes})


def test_a_damaged_checkpoint_and_a_missing_data_set_have_their_codes(trained, tmp_path, capsys):
    folder = tmp_path / "damaged"
    shutil.copytree(trained["run"], folder)
    (tensors,) = folder.glob("checkpoint/*/tensors.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-1])
    assert main([str(folder), "--format", "safetensors"]) == EXIT["checkpoint"] == 5
    assert "can be read" in capsys.readouterr().err
    config = TrainConfig.from_dict({**SIMCLR, "dataset": "cifar10"})
    folder = tmp_path / "elsewhere"
    shutil.copytree(trained["run"], folder)
    files.write_json(folder / "config.json", config.resolved().to_dict())
    edit(folder, run=config.hash(), config=config.resolved().to_dict())
    checkpoint.save(folder / "checkpoint", checkpoint.load(folder / "checkpoint"), step=9, owner=config.hash())
    arguments = [str(folder), "--format", "features", "--data-root", str(tmp_path)]
    assert main(arguments) == EXIT["data"] == 3
    assert "'cifar10' was not found" in capsys.readouterr().err


def test_the_help_says_what_each_format_is(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for word in ("encoder.safetensors", "onnxruntime", "features.npz", "Exit codes", "README.md"):
        assert word in said
