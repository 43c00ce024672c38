"""Encoders and projectors: shapes, sizes that are known from the literature, and how they start."""

import pytest
import torch
from torch import nn

from musiclib.distributed import BatchNorm1d, BatchNorm2d
from musiclib.encoders import ENCODERS, BasicBlock, Bottleneck, build_encoder, mlp


def made(name, channels=3, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_encoder(name, channels)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "channels", "side"),
    [
        ("tiny", 1, 16),
        ("tiny", 3, 32),
        ("compact", 1, 28),
        ("compact", 3, 32),
        ("resnet18", 3, 32),
        ("resnet50", 3, 64),
    ],
)
def test_an_encoder_maps_images_to_its_features(name, channels, side):
    encoder = made(name, channels)
    out = encoder(torch.rand(2, channels, side, side))
    assert out.shape == (2, encoder.features)
    assert out.dtype == torch.float32
    assert (out >= 0).all()
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("side", [1, 7, 33])
def test_odd_sizes_work(side):
    assert made("tiny").eval()(torch.rand(2, 3, side, side)).shape == (2, 128)


def test_sizes_are_those_of_the_known_networks():
    # torchvision's resnet50 has 25,557,032 parameters, 2,049,000 of them in the classifier that is absent here.
    assert parameters(made("resnet50")) == 25_557_032 - 2_049_000
    # Its resnet18 has 11,689,512, with 513,000 in the classifier; the 3x3 stem has 64*3*(49 - 9) fewer.
    assert parameters(made("resnet18")) == 11_689_512 - 513_000 - 64 * 3 * (49 - 9)
    assert made("resnet18").features == 512
    assert made("resnet50").features == 2048
    # For two CPU cores: small, and smaller.
    assert parameters(made("compact")) < 1.5e6
    assert parameters(made("tiny")) < 0.5e6


def test_resolution_along_the_stages():
    def sides(name, side):
        found, encoder = [], made(name).eval()
        for block in encoder.blocks:
            block.register_forward_hook(lambda _m, _x, y: found.append(tuple(y.shape[1:])))
        encoder(torch.rand(1, 3, side, side))
        return found

    assert sides("compact", 32) == [(32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 4, 4)]
    assert sides("resnet18", 32)[::2] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]
    assert [sides("resnet50", 64)[i] for i in (0, 3, 7, 13)] == [(256, 16, 16), (512, 8, 8), (1024, 4, 4), (2048, 2, 2)]


def test_he_initialisation_keeps_the_stated_variance():
    for conv in (m for m in made("compact").modules() if isinstance(m, nn.Conv2d)):
        fan_out = conv.out_channels * conv.kernel_size[0] ** 2
        assert conv.weight.var().item() == pytest.approx(2 / fan_out, rel=0.25)


def test_blocks_of_resnet50_start_as_their_shortcuts_and_the_others_do_not():
    for name, zero in (("resnet50", True), ("resnet18", False), ("compact", False), ("tiny", False)):
        for block in made(name).blocks:
            assert bool((block.branch[-1].weight == 0).all()) is zero, name
    x = torch.rand(2, 64, 8, 8)
    block = Bottleneck(64, 16, 1)
    nn.init.zeros_(block.branch[-1].weight)
    assert torch.equal(block(x), x)


def test_a_block_is_its_branch_plus_its_shortcut():
    block = BasicBlock(4, 8, 2, pooled_shortcut=True).eval()
    x = torch.randn(3, 4, 9, 9)
    conv1, norm1, _, conv2, norm2 = block.branch
    pooled = nn.functional.avg_pool2d(x, 2, ceil_mode=True)
    want = norm2(conv2(norm1(conv1(x)).relu())) + block.shortcut[2](block.shortcut[1](pooled))
    torch.testing.assert_close(block(x), want.relu())


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_the_gradient_reaches_every_parameter(name):
    encoder = made(name)
    for module in encoder.modules():  # blocks that start at zero would hide their convolutions from the gradient
        if isinstance(module, BatchNorm2d):
            nn.init.ones_(module.weight)
    encoder(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_channels_last_changes_no_value():
    encoder, x = made("compact"), torch.rand(4, 3, 32, 32)
    want = encoder(x)
    got = encoder.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def test_bfloat16_is_near_float32_and_features_stay_float32():
    encoder, x = made("compact").eval(), torch.rand(4, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        got = encoder(x)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, encoder(x), atol=0.05, rtol=0.05)


def test_every_normalisation_is_the_global_one():
    norms = [m for m in made("compact").modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(type(m) is BatchNorm2d for m in norms)
    assert [type(m) for m in mlp([4, 8, 2])] == [nn.Linear, BatchNorm1d, nn.ReLU, nn.Linear]


def test_same_seed_same_weights():
    a, b, c = made("tiny", seed=1), made("tiny", seed=1), made("tiny", seed=2)
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(a(x), b(x))
    assert not torch.equal(a(x), c(x))


def test_mlp_widths_biases_and_last_normalisation():
    head = mlp([6, 10, 12, 4])
    assert [(m.in_features, m.out_features, m.bias is not None) for m in head if isinstance(m, nn.Linear)] == [
        (6, 10, False),
        (10, 12, False),
        (12, 4, True),
    ]
    assert mlp([6, 4], bias_last=False)[0].bias is None
    assert [type(m) for m in mlp([6, 4])] == [nn.Linear]
    normed = mlp([6, 4], norm_last=True)
    assert normed[0].bias is None
    assert normed[-1].weight is None
    out = normed(torch.randn(64, 6))
    torch.testing.assert_close(out.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(0, correction=0), torch.ones(4), atol=1e-2, rtol=0)


def test_wrong_names_and_widths_are_refused():
    with pytest.raises(ValueError, match="encoder='vgg': unknown"):
        build_encoder("vgg")
    with pytest.raises(ValueError, match="channels=0"):
        build_encoder("tiny", 0)
    for widths in ([8], [], [8, 0]):
        with pytest.raises(ValueError, match="widths="):
            mlp(widths)
