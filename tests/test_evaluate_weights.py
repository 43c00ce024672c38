"""State_dicts of other code: read without unpickling, matched name by name, refused in one line, loaded exactly."""

from __future__ import annotations

import argparse
import os
import types
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

from musiclib.encoders import build_encoder
from musiclib.evaluate import weights
from musiclib.evaluate.foreign import load_weights
from musiclib.evaluate.naming import match, namings
from musiclib.evaluate.weights import WeightsUnusable, read_state

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def torchvision_resnet(depths: tuple[int, ...], convolutions: int) -> list[str]:
    """The names in the state_dict of a residual network of torchvision, written out from its scheme of names:
    convolutions 2 for basic blocks, 3 for bottlenecks; the first block of a layer has a downsample where the number of
    channels or the resolution changes."""
    names = ["conv1.weight", *(f"bn1.{n}" for n in NORM)]
    for layer, depth in enumerate(depths, 1):
        for block in range(depth):
            at = f"layer{layer}.{block}"
            for number in range(1, convolutions + 1):
                names += [f"{at}.conv{number}.weight", *(f"{at}.bn{number}.{n}" for n in NORM)]
            if block == 0 and (layer > 1 or convolutions == 3):
                names += [f"{at}.downsample.0.weight", *(f"{at}.downsample.1.{n}" for n in NORM)]
    return names


def theirs(name: str, channels: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    """A state_dict in torchvision's names and order, with drawn weights and running statistics that matter."""
    generator = torch.Generator().manual_seed(seed)
    depths, convolutions = ((3, 4, 6, 3), 3) if name == "resnet50" else ((2, 2, 2, 2), 2)
    keys = torchvision_resnet(depths, convolutions)
    shapes = [v.shape for v in in_their_order(name, channels)]
    assert len(keys) == len(shapes)
    state = {}
    for key, shape in zip(keys, shapes, strict=True):
        value = torch.rand(shape, generator=generator)
        if key.endswith("tracked"):
            value = torch.tensor(3)
        elif len(shape) == 4:
            value = (value - 0.5) * (6 / (shape[1] * shape[2] * shape[3])) ** 0.5
        state[key] = value + 0.5 if key.endswith(("bn1.weight", "running_var")) else value
    return state


def in_their_order(name: str, channels: int) -> list[torch.Tensor]:
    """The tensors of our encoder in the order in which torchvision lists its own: in both, modules in the order of the
    forward pass, with the shortcut behind its block."""
    return list(build_encoder(name, channels).state_dict().values())


def reference_resnet18(state: dict, x: torch.Tensor, *, imagenet: bool) -> torch.Tensor:
    """ResNet-18 in eval mode, written out from the paper over torchvision's names."""

    def norm(x, at):
        mean, var, weight, bias = (state[f"{at}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, eps=1e-5)

    x = F.conv2d(x, state["conv1.weight"], stride=2 if imagenet else 1, padding=3 if imagenet else 1)
    x = norm(x, "bn1").relu()
    x = F.max_pool2d(x, 3, 2, 1) if imagenet else x
    for layer in range(1, 5):
        for block in range(2):
            at, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = norm(F.conv2d(x, state[f"{at}.conv1.weight"], stride=stride, padding=1), f"{at}.bn1").relu()
            y = norm(F.conv2d(y, state[f"{at}.conv2.weight"], padding=1), f"{at}.bn2")
            if f"{at}.downsample.0.weight" in state:
                x = norm(F.conv2d(x, state[f"{at}.downsample.0.weight"], stride=stride), f"{at}.downsample.1")
            x = (x + y).relu()
    return x.mean((2, 3))


def save(folder: Path, content, name: str = "w.pth") -> Path:
    path = folder / name
    torch.save(content, path)
    return path


def refused(function, *arguments, **options) -> str:
    with pytest.raises(WeightsUnusable) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "depths", "convolutions", "entries"),
    [
        ("resnet18", (2, 2, 2, 2), 2, 120), ("resnet18_imagenet", (2, 2, 2, 2), 2, 120),
        ("resnet50", (3, 4, 6, 3), 3, 318),
    ],
)  # fmt: skip
def test_our_names_are_torchvisions_one_to_one(name, depths, convolutions, entries):
    names = namings(name, build_encoder(name))["torchvision"]
    assert set(names.values()) == set(torchvision_resnet(depths, convolutions))
    assert len(names) == len(set(names.values())) == entries  # torchvision's 122 and 320, without fc.weight, fc.bias


@pytest.mark.parametrize(("name", "parameters"), [("resnet18_imagenet", 11_689_512), ("resnet50", 25_557_032)])
def test_the_imagenet_encoders_have_torchvisions_number_of_parameters(name, parameters):
    encoder = build_encoder(name)
    classifier = 1000 * encoder.features + 1000
    assert sum(p.numel() for p in encoder.parameters()) + classifier == parameters


@pytest.mark.parametrize(("name", "imagenet"), [("resnet18", False), ("resnet18_imagenet", True)])
def test_a_torchvision_file_computes_what_its_names_say(tmp_path, name, imagenet):
    state = theirs(name)
    loaded = load_weights(save(tmp_path, state), name)
    x = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loaded.encoder(x), reference_resnet18(state, x, imagenet=imagenet), atol=1e-4, rtol=1e-4)
    assert (loaded.channels, loaded.match.naming, loaded.match.prefix) == (3, "torchvision", "")
    assert not loaded.encoder.training


def test_positions_of_children_are_names_too(tmp_path):
    state = theirs("resnet18_imagenet")
    places = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    cut = {".".join([places[k.split(".")[0]], *k.split(".")[1:]]): v for k, v in state.items()}
    a = load_weights(save(tmp_path, {f"backbone.{k}": v for k, v in cut.items()}), "resnet18_imagenet")
    b = load_weights(save(tmp_path, state), "resnet18_imagenet")
    assert (a.match.naming, a.match.prefix) == ("positions", "backbone.")
    assert all(torch.equal(v, b.encoder.state_dict()[k]) for k, v in a.encoder.state_dict().items())


def test_our_own_names_and_grey_images(tmp_path):
    encoder = build_encoder("tiny", 1)
    loaded = load_weights(save(tmp_path, encoder.state_dict()), "tiny")
    assert (loaded.channels, loaded.match.naming) == (1, "own")
    x = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(loaded.encoder(x), encoder.eval()(x), atol=1e-5, rtol=1e-5)


def test_half_precision_is_widened_and_a_missing_counter_is_no_error(tmp_path):
    state = {k: v.half() for k, v in build_encoder("tiny").state_dict().items() if not k.endswith("tracked")}
    loaded = load_weights(save(tmp_path, state), "tiny")
    assert {p.dtype for p in loaded.encoder.parameters()} == {torch.float32}
    assert torch.equal(loaded.encoder.state_dict()["stem.0.weight"], state["stem.0.weight"].float())


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "encoder.", "model.", "module.encoder_q.",
                                    "module.backbone.model."])  # fmt: skip
@pytest.mark.parametrize("heads", [{}, {"fc.weight": 1, "fc.bias": 1}, {"projector.0.weight": 1, "head.bias": 1}])
def test_prefixes_are_found_and_known_heads_left_out(prefix, heads):
    encoder = build_encoder("tiny")
    state = {prefix + k: v for k, v in encoder.state_dict().items()}
    extra = {prefix + k: torch.ones(n) for k, n in heads.items()} | (
        {"module.predictor.1.weight": torch.ones(1)} if heads else {}
    )
    found = match({**extra, **state}, "tiny", encoder)
    assert found.prefix == prefix
    assert set(found.ignored) == set(extra)
    assert all(torch.equal(found.tensors[k], v) for k, v in encoder.state_dict().items())


def test_names_that_are_missing_or_unknown_are_listed():
    encoder = build_encoder("tiny")
    state = {f"module.{k}": v for k, v in encoder.state_dict().items()}
    del state["module.blocks.1.branch.0.weight"]
    said = refused(match, {**state, "queue": torch.ones(2), "module.stem.7.weight": torch.ones(2)}, "tiny", encoder)
    assert "1 names of the encoder are missing: module.blocks.1.branch.0.weight" in said
    assert "2 names are not known: module.stem.7.weight, queue" in said
    assert "no name in the file is one of the encoder 'tiny'; they are a, b" in refused(
        match, {"a": torch.ones(1), "b": torch.ones(1)}, "tiny", encoder
    )


def test_of_two_networks_one_has_to_be_chosen():
    encoder = build_encoder("tiny")
    own = encoder.state_dict()
    two = {f"backbone.{k}": v for k, v in own.items()} | {f"encoder.{k}": v + 1 for k, v in own.items()}
    assert "choose one with --prefix: encoder., backbone." in refused(match, two, "tiny", encoder)
    found = match(two, "tiny", encoder, "backbone.")
    assert torch.equal(found.tensors["stem.0.weight"], own["stem.0.weight"])
    assert set(found.ignored) == {f"encoder.{k}" for k in own}
    momentum = {f"module.{k}": v for k, v in own.items()} | {f"momentum.{k}": v for k, v in own.items()}
    assert f"{len(own)} names are not known: momentum.blocks" in refused(match, momentum, "tiny", encoder)
    assert match(momentum, "tiny", encoder, "momentum.").prefix == "momentum."


def test_wrong_shapes_broken_numbers_and_strange_channels_are_told(tmp_path):
    state = theirs("resnet18_imagenet")
    said = refused(load_weights, save(tmp_path, state), "resnet18")
    assert "stem.0.weight is (64, 3, 7, 7) and has to be (64, 3, 3, 3)" in said
    assert said.endswith("its stem is 7x7: --encoder resnet18_imagenet")
    assert said.startswith(str(tmp_path / "w.pth"))
    state["bn1.weight"] = torch.full((64,), torch.nan)
    assert "not finite: stem.1.weight" in refused(load_weights, save(tmp_path, state), "resnet18_imagenet")
    two = build_encoder("tiny", 2).state_dict()
    assert "for images with 2 channels; 1 and 3 are known" in refused(load_weights, save(tmp_path, two), "tiny")


def test_names_of_timm_are_its_own(monkeypatch):
    class Network(nn.Module):
        num_features = 4

        def __init__(self):
            super().__init__()
            self.patch_embed = nn.Conv2d(3, 4, 2)

        def forward(self, x):
            return self.patch_embed(x).mean((2, 3))

    timm = types.SimpleNamespace(create_model=lambda *a, **k: Network(), __version__="1")
    monkeypatch.setitem(__import__("sys").modules, "timm", timm)
    encoder = build_encoder("timm:net")
    state = {
        "patch_embed.weight": torch.ones(4, 3, 2, 2),
        "patch_embed.bias": torch.ones(4),
        "head.weight": torch.ones(2),
    }
    found = match(state, "timm:net", encoder)
    assert (found.naming, set(found.tensors)) == ("timm", {"network.patch_embed.weight", "network.patch_embed.bias"})
    assert found.ignored == ("head.weight",)


# ---------------------------------------------------------------- files


NESTS = [
    lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s},
    lambda s: {"epoch": 1, "model": {"backbone": s}, "optimizer": {"state": {}}},
]  # fmt: skip


@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_state_dict_is_found_where_it_is_nested(tmp_path, nest, legacy):
    state = {"a.weight": torch.arange(3.0)}
    torch.save(nest(state), tmp_path / "w.bin", _use_new_zipfile_serialization=not legacy)
    assert torch.equal(read_state(tmp_path / "w.bin")["a.weight"], state["a.weight"])


def test_safetensors_are_known_by_their_content(tmp_path):
    state = {"a.weight": torch.arange(3.0)}
    safetensors.torch.save_file(state, tmp_path / "w.pth")
    assert torch.equal(read_state(tmp_path / "w.pth")["a.weight"], state["a.weight"])


def test_a_part_can_be_named_and_has_to_be_where_there_are_several(tmp_path):
    path = save(
        tmp_path, {"teacher": {"a": torch.ones(1)}, "student": {"a": torch.zeros(1)}, "ema": {"b": torch.ones(2)}}
    )
    assert "holds teacher and student: choose one with --part" in refused(read_state, path)
    assert read_state(path, "student")["a"].item() == 0
    assert list(read_state(path, "ema")) == ["b"]
    assert "has no entry 'emu' (--part emu); it has teacher, student, ema" in refused(read_state, path, "emu")
    assert "has no entry 'x' (--part teacher.a.x); it has a Tensor" in refused(read_state, path, "teacher.a.x")
    assert "holds no state_dict; it has a Tensor" in refused(read_state, path, "teacher.a")


@pytest.mark.parametrize("content", [torch.ones(2), [1, 2], {}, {"epoch": 3}, {"model": {"deep": 1}}])
def test_a_file_without_a_state_dict_says_what_it_has(tmp_path, content):
    assert "holds no state_dict; it has" in refused(read_state, save(tmp_path, content))


class Harm:
    """An object whose pickle runs a command when it is read the unsafe way."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_objects_are_never_unpickled(tmp_path):
    marker = tmp_path / "ran"
    path = save(tmp_path, {"state_dict": {"a": torch.ones(1)}, "hook": Harm(marker)})
    assert "holds more than tensors and plain values (posix.mkdir), and nothing of that kind is unpickled" in refused(
        read_state, path
    )
    assert not marker.exists()
    torch.load(path, weights_only=False)  # the control: read the unsafe way it does run
    assert marker.exists()
    path = save(tmp_path, {"state_dict": {"a": torch.ones(1)}, "args": argparse.Namespace(lr=1)})
    said = refused(read_state, path)
    assert "(argparse.Namespace)" in said
    assert "torch.save(model.state_dict(), FILE)" in said


def damaged(folder: Path, what: str) -> Path:
    path = save(folder, {"a": torch.arange(1000.0)})
    whole = path.read_bytes()
    if what == "safetensors":
        safetensors.torch.save_file({"a": torch.arange(1000.0)}, path)
        whole = path.read_bytes()
    content = {"empty": b"", "text": b"hello, I am no file of weights", "truncated": whole[: len(whole) // 2],
               "safetensors": whole[:-8], "header": (10**15).to_bytes(8, "little") + b"{"}[what]  # fmt: skip
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("what", ["empty", "text", "truncated", "safetensors", "header"])
def test_damaged_files_are_one_line(tmp_path, what):
    said = refused(read_state, damaged(tmp_path, what))
    assert "cannot be read as safetensors or as a file of torch.save" in said
    assert len(said) < 400


def test_missing_and_oversized_files_and_compressed_archives_are_refused_unread(tmp_path, monkeypatch):
    assert "there is no file" in refused(read_state, tmp_path / "none.pth")
    assert "there is no file" in refused(read_state, tmp_path)
    path = save(tmp_path, {"a": torch.ones(10)})
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    assert "is a compressed archive" in refused(read_state, bomb)
    read_state(path)
    monkeypatch.setattr(weights, "LARGEST", 100)
    assert "GiB, more than the" in refused(read_state, path)
