"""A configuration says what it means: unknown names, wrong types and impossible values never pass."""

from __future__ import annotations

import dataclasses
import json

import pytest

from musiclib.config import TrainConfig, override
from musiclib.methods.music import MusicOptions
from musiclib.pretrain.__main__ import main
from musiclib.schema import NotYaml, build, read_mapping, read_yaml


def test_a_round_trip_through_json_gives_the_same_configuration():
    config = TrainConfig(method="byol", options={"projector": [64, 8]}, lr=3e-4, views={"flip": 0.0}, validation=True)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_yaml_gives_the_same_as_values(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("method: music\nlr: 1e-3\noptions: {segments: 8, units: 4}\n")
    assert TrainConfig.from_yaml(path) == TrainConfig(lr=0.001, options={"segments": 8, "units": 4})
    path.write_text("")
    assert TrainConfig.from_yaml(path) == TrainConfig()
    path.write_text("- music\n")
    with pytest.raises(ValueError, match="mapping"):
        TrainConfig.from_yaml(path)


def test_an_unknown_name_is_an_error_that_names_it_and_the_nearest():
    with pytest.raises(ValueError, match=r"'epoch'.*did you mean 'epochs'"):
        TrainConfig.from_dict({"epoch": 3})
    with pytest.raises(ValueError, match=r"'segment'.*did you mean 'segments'"):
        TrainConfig(options={"segment": 3}).hash()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", "8"),
        ("epochs", 2.0),
        ("epochs", True),
        ("lr", "fast"),
        ("validation", 1),
        ("method", 3),
        ("views", []),
    ],
)
def test_a_wrong_type_is_an_error_that_names_field_value_and_type(name, value):
    with pytest.raises(TypeError, match=rf"TrainConfig\.{name} is .*{value!r}".replace("[", r"\[").replace("]", r"\]")):
        TrainConfig.from_dict({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1), ("batch", 1), ("lr", 0.0), ("lr", float("nan")), ("weight_decay", -1e-6), ("seed", -1),
        ("final_lr", 1.5), ("warmup_epochs", -0.5), ("optimiser", "adam"), ("precision", "float16"),
    ],
)  # fmt: skip
def test_an_impossible_value_is_an_error_that_names_the_field(name, value):
    with pytest.raises(ValueError, match=name):
        TrainConfig(**{name: value})


def test_option_types_are_checked_as_well():
    with pytest.raises(TypeError, match=r"options of music\.segments"):
        TrainConfig(options={"segments": 2.5}).resolved()
    assert build(MusicOptions, {"projector": [7, 5], "diagonal_weight": 2}, "o") == MusicOptions(
        projector=(7, 5), diagonal_weight=2.0
    )


def test_unknown_methods_are_refused_with_the_list_of_known_ones():
    with pytest.raises(ValueError, match=r"'musik'.*music"):
        TrainConfig(method="musik").hash()
    with pytest.raises(ValueError, match="takes no options"):
        TrainConfig(method="random", options={"segments": 2}).hash()


def test_the_hash_names_the_run_and_nothing_else():
    base = TrainConfig()
    defaults = dataclasses.asdict(MusicOptions())
    assert TrainConfig(options=defaults).hash() == base.hash()  # spelling a default out is the same run
    assert TrainConfig(lr=1.0e-3, weight_decay=1.0e-4).hash() == base.hash()
    assert base.resolved().hash() == base.hash()
    assert len(base.hash()) == 12
    assert int(base.hash(), 16) >= 0
    changes = [
        {"seed": 1}, {"epochs": 9}, {"batch": 256}, {"lr": 2e-3}, {"weight_decay": 0.0}, {"encoder": "tiny"},
        {"dataset": "digits"}, {"method": "vicreg"}, {"options": {"units": 8}}, {"views": {"flip": 0.0}},
        {"precision": "float32"}, {"validation": True}, {"compile": True}, {"optimiser": "sgd"}, {"warmup_epochs": 2},
        {"final_lr": 0.0}, {"dataset_options": {"samples": 5}}, {"deterministic": True},
        {"watch": 3}, {"decay_all": True},
    ]  # fmt: skip
    hashes = {TrainConfig(**change).hash() for change in changes} | {base.hash()}
    assert len(hashes) == len(changes) + 1
    fields = {f.name for f in dataclasses.fields(TrainConfig)} - {"plugins"}  # filled in, see test_plugins
    assert {name for change in changes for name in change} == fields


def test_the_hash_does_not_depend_on_the_order_of_keys():
    assert TrainConfig(views={"flip": 0.0, "hue": 0.1}).hash() == TrainConfig(views={"hue": 0.1, "flip": 0.0}).hash()


def test_each_optimiser_brings_its_usual_rate_unless_one_is_given():
    assert TrainConfig(optimiser="lars").lr == 0.6
    assert TrainConfig(optimiser="lars", batch=2048).peak_lr() == pytest.approx(4.8)  # the published ImageNet peak
    assert TrainConfig(optimiser="sgd", batch=512).peak_lr() == pytest.approx(0.2)  # the published CIFAR-10 peak
    assert TrainConfig(optimiser="sgd", lr=0.5).lr == 0.5


def test_untrained_rows_have_no_epochs():
    assert TrainConfig(method="random", epochs=8) == TrainConfig(method="random", epochs=100)


def test_assignments_reach_into_options_and_keep_the_rest():
    values = {"options": {"segments": 8}, "epochs": 2}
    got = override(values, ["options.units=4", "lr=1e-3", "epochs=3", "dataset=folder:/a=b", "views.flip=0.0"])
    assert got == {
        "options": {"segments": 8, "units": 4}, "lr": 0.001, "epochs": 3, "dataset": "folder:/a=b",
        "views": {"flip": 0.0},
    }  # fmt: skip
    assert values == {"options": {"segments": 8}, "epochs": 2}


@pytest.mark.parametrize("text", ["epochs", "=3", "options.=3", "options.a.b=1", "epochs.x=1"])
def test_a_malformed_assignment_is_an_error_that_shows_it(text):
    with pytest.raises(ValueError, match="--set"):
        override({}, [text])


def test_yaml_numbers_with_exponents_are_numbers():
    assert read_yaml("[1e-3, 2E5, 1.5e+2, -1e3, abc, 1e, 0x1e]") == [1e-3, 2e5, 150.0, -1000.0, "abc", "1e", 0x1E]


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c",
        "[1",
        "\t- x",
        "a: 1\n---\nb: 2",
        "? [1]\n: 2",
        "!!int x",
        "!!binary ä",
        "*b",
        "a: 1\na: 2",
        "\0",
        "[a\uf5ab b: c",
    ],
)
def test_what_is_no_yaml_is_one_line_that_names_the_file_or_the_argument(tmp_path, capsys, text):
    with pytest.raises(NotYaml) as raised:
        read_yaml(text)
    assert str(raised.value).isprintable()
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    for arguments in (["--config", str(path)], ["--set", f"lr={text}"]):
        assert main([*arguments, "--show-config"]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert (str(path) if arguments[0] == "--config" else "--set 'lr=") in told
    with pytest.raises(ValueError, match=r"run\.yaml: "):
        TrainConfig.from_yaml(path)


def test_an_empty_file_is_the_default_configuration(tmp_path):
    (tmp_path / "run.yaml").write_text("# nothing\n")
    assert TrainConfig.from_yaml(tmp_path / "run.yaml") == TrainConfig()
    with pytest.raises(ValueError, match="must be a mapping"):
        read_mapping(tmp_path / "run.yaml")
