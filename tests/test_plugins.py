"""Methods, encoders and data sets from outside: found or refused in one line, named by their source, loaded again."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import types
from pathlib import Path

import pytest
import torch
from plugin_sources import DATASET, ENCODER, METHOD
from torch import nn

from musiclib import datasets, files, plugins
from musiclib.config import TrainConfig
from musiclib.encoders import build_encoder
from musiclib.methods.base import outside_method
from musiclib.plugins import PluginError, is_path, named_in, source
from musiclib.pretrain import load_encoder, load_method, run
from musiclib.pretrain.__main__ import main
from musiclib.views import view_preset

RESULTS = Path(__file__).parents[1] / "reproduce" / "results"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes modules (name -> source, a slash makes a package) where they are found, afresh."""
    place = tmp_path / "outside"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    names = set()

    def forget() -> None:
        plugins._find.cache_clear()
        importlib.invalidate_caches()
        for name in [m for m in sys.modules if m.partition(".")[0] in names]:
            del sys.modules[name]

    def writer(**sources: str) -> Path:
        for name, text in sources.items():
            path = place / f"{name.replace('__', '/', 1)}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            names.add(name.partition("__")[0])
        shutil.rmtree(place / "__pycache__", ignore_errors=True)  # two versions may have one size and one second
        forget()
        return place

    yield writer
    forget()


def refused(function, *arguments, **options) -> str:
    """The one line of the PluginError that a call ends with."""
    with pytest.raises(PluginError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SMALL = {
    "dataset": "stripes_set:load", "encoder": "small_net:factory", "epochs": 2, "batch": 20, "lr": 1e-2,
    "precision": "float32", "views": {"size": 12, "flip": 0.0},
}  # fmt: skip


def all_three(write) -> TrainConfig:
    write(my_loss=METHOD, small_net=ENCODER, stripes_set=DATASET)
    return TrainConfig(method="my_loss:Spread", options={"weight": 0.5, "projector": [16, 4]}, **SMALL)


# ---------------------------------------------------------------- what a path is


@pytest.mark.parametrize("name", ["a:b", "pkg.mod:Class", "_x.y2:Z_1"])
def test_a_module_and_a_name_are_a_path(name):
    assert is_path(name)


@pytest.mark.parametrize("name", ["music", "folder:cats", "medmnist:pathmnist", "imagenet:data", "timm:resnet18", "a:",
                                  ":b", "a.b", "a/b:c", "a..b:c", "a:b:c", "1a:b", "folder:/x/y"])  # fmt: skip
def test_names_of_ours_and_half_paths_are_none(name):
    assert not is_path(name)


def test_plugins_are_found_in_the_parameters_of_a_notebook():
    values = {
        "methods": ["music", "a:A"], "settings": {"mine": {"method": "b:B"}, "music": {"lr": 1.0}, "odd": 3},
        "dataset": "c:load", "encoder": "timm:resnet18", "datasets": ["digits", "d:load"], "title": "x:y",
    }  # fmt: skip
    kinds = {"a:A": "method", "b:B": "method", "c:load": "dataset", "timm:resnet18": "encoder", "d:load": "dataset"}
    assert named_in(values) == kinds
    assert named_in({"methods": "all", "settings": None}) == {}
    label = {"methods": ["lr:high"], "settings": {"lr:high": {"method": "a:A"}}}
    assert named_in(label) == {"a:A": "method"}  # a label that looks like a path is a label


# ---------------------------------------------------------------- found, or refused in one line


def test_a_missing_module_a_missing_name_and_a_broken_module_say_so(write):
    write(my_loss=METHOD, broken="x = 1\ny = x / 0\n", wrong="def f(:\n", needs="import not_there_at_all\n",
          leaves="raise SystemExit(3)\n", number="value = 3\n")  # fmt: skip
    assert "there is no module 'nowhere'; it has to lie in" in refused(plugins.find, "nowhere:X", "method")
    assert "there is no module 'my_loss.deeper'" in refused(plugins.find, "my_loss.deeper:X", "method")
    assert "has no 'Spred' (did you mean 'Spread'?)" in refused(plugins.find, "my_loss:Spred", "method")
    said = refused(plugins.find, "broken:X", "encoder")
    assert said == ("encoder 'broken:X': importing it raised ZeroDivisionError: division by zero (broken.py, line 2)")
    assert "SyntaxError" in refused(plugins.find, "wrong:X", "method")
    assert "(wrong.py, line 1)" in refused(plugins.find, "wrong:X", "method")
    assert "raised ModuleNotFoundError: No module named 'not_there_at_all'" in refused(
        plugins.find, "needs:X", "method"
    )
    assert "raised SystemExit: 3" in refused(plugins.find, "leaves:X", "method")
    assert "is 3; it has to be a class or a function" in refused(plugins.find, "number:value", "method")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("class Spread(Method)", "class Spread(object)"), "inherits from musiclib.methods.base.Method"),
        (("def forward", "def backward"), "does not define forward"),
        (("    Options = Options\n", ""), "needs an attribute Options"),
        (("@dataclass(frozen=True)\n", ""), "needs an attribute Options"),
        (("weight: float = 1.0", "weight: float"), "Options() of method 'my_loss:Spread' raised TypeError"),
    ],
)
def test_a_class_that_is_no_method_is_refused(write, change, told):
    source_text = METHOD.replace(*change)
    assert source_text != METHOD
    if "weight: float\n" in source_text:
        source_text = source_text.replace("    projector: tuple[int, ...] = (32, 8)\n", "")
    write(my_loss=source_text)
    assert told in refused(outside_method, "my_loss:Spread")
    write(my_loss=METHOD)
    assert outside_method("my_loss:Spread")[0].__name__ == "Spread"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("return encoder", "return 3"), "made a int; it has to be a torch.nn.Module"),
        (("encoder.features = 6", "pass"), "needs an attribute features, the number of its outputs; it is None"),
        (("encoder.features = 6", "encoder.features = True"), "it is True"),
        (
            ("nn.Conv2d(channels", "nn.Conv3d(1 / 0"),
            "raised ZeroDivisionError: division by zero (small_net.py, line 5)",
        ),
        (("def factory(channels)", "def factory()"), "raised TypeError: factory() takes 0 positional arguments"),
    ],
)
def test_a_factory_that_makes_no_encoder_is_refused(write, change, told):
    write(small_net=ENCODER.replace(*change))
    assert told in refused(build_encoder, "small_net:factory", 3)
    write(small_net=ENCODER)
    assert build_encoder("small_net:factory", 3)(torch.rand(2, 3, 9, 9)).shape == (2, 6)


def test_an_encoder_that_lies_about_its_features_is_caught_at_its_first_batch(write):
    write(small_net=ENCODER.replace("encoder.features = 6", "encoder.features = 7"))
    said = refused(build_encoder("small_net:factory", 1), torch.rand(2, 1, 9, 9))
    assert said == "encoder 'small_net:factory' gave (2, 6) for 2 images; it has to be (N, features) with features = 7"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('return ImageSet("stripes"', 'return dict(a="stripes"'), "raised SyntaxError"),
        (("return ImageSet(", "return tuple, ("), "returned a tuple; it has to be an ImageSet"),
        (('"stripes", split', '"stripes", "train"'), "returned the split 'train' when asked for 'test'"),
        (("12, 12)", "12, 10)"), "square images"),
        (("generator = torch", "generator = torch.nothing"), "raised AttributeError"),
        (("samples=60", "samples: 'Nothing' = 60"), "raised NameError"),
    ],
)
def test_a_function_that_loads_no_set_is_refused(write, change, told):
    write(stripes_set=DATASET.replace(*change))
    if "SyntaxError" in told:
        assert told in refused(plugins.find, "stripes_set:load", "dataset")
        return
    assert told in refused(datasets.load, "stripes_set:load", "test")


def test_a_set_from_outside_gets_its_options_and_the_root_and_may_say_that_it_is_missing(write, tmp_path):
    missing = (
        "from musiclib.datasets import DatasetMissing\n"
        "def load(split, *, root, year=1):\n    raise DatasetMissing('mine', [root / str(year)], 'buy it')\n"
    )
    write(stripes_set=DATASET, gone=missing)
    found = datasets.load("stripes_set:load", "train", samples=40, classes=2)
    assert (len(found), found.classes) == (40, ("a", "b"))
    assert datasets.known("stripes_set:load")
    with pytest.raises(datasets.DatasetMissing, match=f"{tmp_path.name}/7"):
        datasets.load("gone:load", "train", root=tmp_path, year=7)
    with pytest.raises(
        ValueError, match="unknown option 'size' of dataset 'stripes_set:load'; its options are: samples"
    ):
        datasets.load("stripes_set:load", "train", size=3)


def test_views_of_a_set_from_outside_fit_grey_and_colour_and_can_be_chosen(write):
    first, second = view_preset("anything:load")
    assert first == second
    assert len(first.mean) == 1
    assert first.flip == 0.5


def test_timm_is_used_where_it_is_and_named_by_its_version(monkeypatch):
    class Network(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.features = nn.Conv2d(channels, 5, 1)  # a submodule of that name, as some of timm's have
            self.num_features = 5

        def forward(self, x):
            return self.features(x).mean((2, 3))

    asked = []

    def create_model(name, *, pretrained, num_classes, in_chans):
        asked.append((name, pretrained, num_classes))
        if name != "net_a":
            raise RuntimeError(f"Unknown model ({name})")
        return Network(in_chans)

    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(create_model=create_model, __version__="9.1"))
    encoder = build_encoder("timm:net_a", 1)
    assert (encoder.features, encoder(torch.rand(3, 1, 4, 4)).shape) == (5, (3, 5))
    assert asked == [("net_a", False, 0)]
    config = TrainConfig(encoder="timm:net_a").resolved()
    name = config.hash()
    assert config.plugins == {"timm:net_a": "timm 9.1"}
    assert "raised RuntimeError: Unknown model (net_b)" in refused(build_encoder, "timm:net_b", 1)
    monkeypatch.setattr(sys.modules["timm"], "__version__", "9.2")
    assert TrainConfig(encoder="timm:net_a").hash() != name
    assert "has changed" in refused(config.resolved)
    monkeypatch.setitem(sys.modules, "timm", None)
    assert "encoder 'timm:net_a' needs the package timm" in refused(build_encoder, "timm:net_a", 1)


# ---------------------------------------------------------------- named by the source


def test_the_source_names_the_run_and_a_changed_source_is_another_run(write):
    config = all_three(write)
    names = {config.hash(), TrainConfig.from_dict({**config.to_dict(), "seed": 1}).hash()}
    for name, text in {"my_loss": METHOD, "small_net": ENCODER, "stripes_set": DATASET}.items():
        write(**{name: text + "# one more line\n"})
        names.add(config.hash())
        write(**{name: text})
    assert len(names) == 5
    assert config.hash() in names


def test_a_package_counts_as_a_whole_and_a_base_class_with_it(write):
    imports = "from musiclib.methods.base import Output\nfrom lab.base import Base as Method"
    loss = METHOD.replace("from musiclib.methods.base import Method, Output", imports)
    parts = {"lab____init__": "", "lab__loss": loss, "lab__base": "from musiclib.methods.base import Method as Base\n"}
    child = "from lab.loss import Spread\nclass Child(Spread):\n    pass\n"
    write(**parts, child=child, elsewhere="")
    before = {name: source(name, "method") for name in ("lab.loss:Spread", "child:Child")}
    write(lab__unrelated="x = 1\n", elsewhere="x = 2\n")
    after = {name: source(name, "method") for name in before}
    assert before["lab.loss:Spread"] != after["lab.loss:Spread"]
    assert before["child:Child"] != after["child:Child"]
    write(elsewhere="x = 3\n")
    assert after == {name: source(name, "method") for name in before}


def test_the_place_of_a_plugin_does_not_count(write, tmp_path, monkeypatch):
    write(my_loss=METHOD)
    here = source("my_loss:Spread", "method")
    other = tmp_path / "other"
    other.mkdir()
    shutil.move(tmp_path / "outside" / "my_loss.py", other)
    monkeypatch.syspath_prepend(str(other))
    write(nothing="")
    assert source("my_loss:Spread", "method") == here
    assert Path(plugins.find("my_loss:Spread", "method").forward.__code__.co_filename).parent == other


def test_runs_without_plugins_keep_the_names_they_had():
    lines = [r for r in files.read_lines(RESULTS / "cpu" / "records.jsonl") if r["kind"] == "pretrain"]
    assert len(lines) > 20
    for r in lines[:: len(lines) // 20]:
        assert TrainConfig.from_dict(r["config"]).hash() == r["run"]
    assert "plugins" not in TrainConfig().resolved().to_dict()


def test_a_stored_configuration_knows_its_plugins(write):
    config = all_three(write).resolved()
    assert set(config.plugins) == {"my_loss:Spread", "small_net:factory", "stripes_set:load"}
    stored = json.loads(json.dumps(config.to_dict()))
    assert TrainConfig.from_dict(stored).hash() == config.hash()
    said = refused(TrainConfig.from_dict({**stored, "method": "simclr", "options": {}}).resolved)
    assert "'my_loss:Spread', which this configuration does not use" in said


# ---------------------------------------------------------------- a run, from the command line and back


FORGETS = """    Options = Options
    def __init__(self, *a, **k):
        super().__init__(*a, **k)
        self.encoder = None
"""


def arguments(config: TrainConfig, out: Path) -> list[str]:
    path = out.parent / "run.yaml"
    path.write_text(json.dumps({k: v for k, v in config.to_dict().items() if k != "plugins"}))
    return ["--config", str(path), "--out", str(out), "--no-progress"]


def test_a_run_of_plugins_is_trained_found_loaded_and_refused_when_they_change(write, tmp_path, capsys):
    config, out = all_three(write), tmp_path / "out"
    assert main(arguments(config, out)) == 0
    folder = out / "runs" / config.hash()
    done = files.read_json(folder / "record.json")
    assert done["config"]["options"] == {"weight": 0.5, "projector": [16, 4]}
    assert done["config"]["plugins"] == config.resolved().plugins
    assert done["metrics"]["linear/test/top1"] > 0.5  # brightness tells the classes apart
    assert done["curve"][-1]["near"] >= 0
    assert len(done["curve"]) == 2
    started = done["time"]["started"]
    assert run(config, folder)["time"]["started"] == started  # found, not trained again

    write(my_loss=METHOD)  # a fresh import of the same source
    method, found = load_method(folder)
    assert found == config.resolved()
    assert [m.out_features for m in method.projector if isinstance(m, nn.Linear)] == [16, 4]
    encoder, _ = load_encoder(folder)
    assert encoder(torch.rand(2, 1, 12, 12)).shape == (2, 6)

    write(my_loss=METHOD.replace("square()", "abs()"))
    said = refused(load_encoder, folder)
    assert said.startswith("'my_loss:Spread' has changed: this configuration was made with its source ")
    assert config.hash() != folder.name
    assert main([*arguments(config, out), "--show-config"]) == 0
    assert json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))["run"] == config.hash()

    (tmp_path / "outside" / "my_loss.py").unlink()
    write(nothing="")
    assert refused(load_encoder, folder).startswith("method 'my_loss:Spread': there is no module 'my_loss'")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("return Output(near + self.options.weight * wide, {", "return (near, {"), "returned a tuple; it has to"),
        (("Output(near + self.options.weight * wide", "Output(near.detach()"), "loss has no gradient"),
        (("Output(near + self.options.weight * wide", "Output(z1"), "loss has to be one number"),
        (("z1.detach(), z2.detach())", "z1.detach(), z2.detach()[0])"), "z1 and z2 have to be the embeddings (N, D)"),
        (("    Options = Options\n", FORGETS), "has to keep the encoder that it is given"),
    ],
)  # fmt: skip
def test_a_method_that_breaks_the_protocol_while_it_runs_is_one_line_and_exit_code_2(
    write, tmp_path, capsys, change, told
):
    config = all_three(write)
    changed = METHOD.replace(*change)
    assert changed != METHOD
    write(my_loss=changed)
    assert main(arguments(config, tmp_path / "out")) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("musiclib.pretrain: method 'my_loss:Spread'")
    assert told in lines[0]


@pytest.mark.parametrize(
    "wrong", [["--method", "nowhere:X"], ["--encoder", "nowhere:f"], ["--dataset", "nowhere:load"]]
)
def test_a_plugin_that_is_not_there_is_one_line_and_exit_code_2(tmp_path, capsys, wrong):
    assert main(["--dataset", "digits", *wrong, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{wrong[0][2:]} {wrong[1]!r}: there is no module 'nowhere'" in said
    assert not (tmp_path / "runs").exists()


def test_an_option_that_the_method_does_not_have_is_named(write, tmp_path, capsys):
    config = all_three(write)
    assert main([*arguments(config, tmp_path / "out"), "--set", "options.wieght=3"]) == 2
    assert "has no 'wieght' (did you mean 'weight'?)" in capsys.readouterr().err
