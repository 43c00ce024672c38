"""The ten peers as methods of the training loop: what they compute, what they keep, and that it survives a resume."""

import copy
import json
import math

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from musiclib import config
from musiclib.distributed import BatchNorm1d
from musiclib.encoders import build_encoder
from musiclib.methods import METHODS
from musiclib.methods.parts.prototypes import UNLABELLED
from proofs_checks.conformance import loops as slow

SAMPLES, BATCH, STEPS = 16, 8, 40
PEERS = [name for name in METHODS if name != "music"]
SMALL = {
    "simclr": {"projector": (8, 3)},
    "moco": {"projector": (8, 3), "queue": 12, "momentum": 0.9},
    "byol": {"projector": (8, 3), "predictor": (5,), "momentum": 0.9},
    "simsiam": {"projector": (8, 4), "predictor": (3,)},
    "deepcluster": {"projector": (8, 3), "heads": 2, "prototypes": 4},
    "sela": {"projector": (8, 3), "heads": 2, "prototypes": 4},
    "swav": {"projector": (8, 3), "prototypes": 5, "queue": 12, "queue_start": 1, "frozen_epochs": 1},
    "wmse": {"projector": (8, 3), "sub_batch": 4},
    "barlow_twins": {"projector": (8, 4)},
    "vicreg": {"projector": (8, 4)},
}


class Encoder(nn.Sequential):
    """6-dimensional 'images' to 7 features, with batch statistics."""

    features = 7

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(6, 7), BatchNorm1d(7), nn.ReLU())


def build(name: str, seed: int = 0, samples: int = SAMPLES, **options):
    cls, options_cls = METHODS[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return cls(Encoder(), options_cls(**{**SMALL[name], **options}), samples=samples, steps=STEPS).double()


def views(seed: int = 0) -> torch.Tensor:
    """(2, SAMPLES, 1, 2, 3): two noisy copies of every sample."""
    g = torch.Generator().manual_seed(seed)
    clean = torch.randn(SAMPLES, 1, 2, 3, generator=g, dtype=torch.float64)
    return torch.stack([clean + 0.3 * torch.randn(clean.shape, generator=g, dtype=torch.float64) for _ in range(2)])


def step(method, batch: torch.Tensor, index: torch.Tensor, number: int, sync=lambda module: None) -> torch.Tensor:
    """One step of plain gradient descent; the loss before it."""
    out = method(batch[0], batch[1], index)
    method.zero_grad()
    out.loss.backward()
    sync(method)
    with torch.no_grad():
        for p in method.parameters():
            if p.grad is not None:
                p -= 0.05 * p.grad
    method.after_step(number)
    return out.loss.detach()


def train(method, epochs: int, share=slice(None), sync=lambda module: None, first: int = 0) -> list[float]:
    """Epochs of two batches each; `share` of every batch, as one of several processes takes it."""
    losses, x = [], views()
    for epoch in range(first, first + epochs):
        method.before_epoch(epoch)
        order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(epoch))
        for number, index in enumerate(order.split(BATCH)):
            mine = index[share]
            losses.append(float(step(method, x[:, mine], mine, epoch * (SAMPLES // BATCH) + number + 1, sync)))
    return losses


def trainable(method) -> dict[str, nn.Parameter]:
    return {name: p for name, p in method.named_parameters() if p.requires_grad}


def test_the_names_are_those_of_the_paper_s_ten_peers():
    assert [*PEERS] == [*SMALL]


# --- exact resume ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEERS)
def test_a_saved_state_continues_bit_for_bit(name):
    method, x = build(name), views()
    train(method, 2)
    method.before_epoch(2)
    step(method, x[:, :BATCH], torch.arange(BATCH), 5)
    stored = save({k: v.contiguous() for k, v in method.state_dict().items()})

    other = build(name, seed=1)
    other.load_state_dict(load(stored))
    for resumed in (method, other):  # the rest of epoch 2, then all of epoch 3
        resumed.losses = [
            float(step(resumed, x[:, BATCH:], torch.arange(BATCH, SAMPLES), 6)),
            *train(resumed, 1, first=3),
        ]
    assert method.losses == other.losses
    for key, value in method.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


@pytest.mark.parametrize("name", PEERS)
def test_a_run_repeats_itself_and_leaves_global_randomness_alone(name):
    first, second = build(name), build(name)
    before = torch.random.get_rng_state()
    assert train(first, 2) == train(second, 2)
    assert torch.equal(before, torch.random.get_rng_state())


# --- gradients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEERS)
def test_every_trainable_parameter_learns_and_no_other_does(name):
    method = build(name)
    train(method, 2)
    for key, p in method.named_parameters():
        assert (p.grad is not None and bool(p.grad.abs().max() > 0)) == p.requires_grad, key
        assert p.requires_grad == (not key.startswith("teacher."))


@pytest.mark.parametrize("name", PEERS)
def test_the_output_carries_detached_embeddings_and_terms(name):
    method, x = build(name), views()
    out = method(x[0], x[1], torch.arange(SAMPLES))
    width = SMALL[name]["projector"][-1]
    assert out.loss.shape == ()
    assert out.loss.requires_grad
    for z, view in zip((out.z1, out.z2), x, strict=True):
        torch.testing.assert_close(z, method.projector(method.encoder(view)).detach())
        assert z.shape == (SAMPLES, width)
        assert not z.requires_grad
    assert out.terms
    assert all(t.shape == () and not t.requires_grad for t in out.terms.values())


@pytest.mark.parametrize("name", PEERS)
def test_a_forward_pass_alone_does_not_move_queues_or_slow_copies(name):
    method, x = build(name), views()
    train(method, 2)
    kept = {
        k: v.clone()
        for k, v in method.state_dict().items()
        if not k.startswith("memory.") and "running" not in k and "tracked" not in k
    }
    method(x[0], x[1], torch.arange(SAMPLES))
    assert all(torch.equal(v, method.state_dict()[k]) for k, v in kept.items())


@pytest.mark.parametrize("name", PEERS)
def test_the_loss_falls_on_views_it_sees_again_and_again(name):
    method = build(name)
    method.before_epoch(1)  # SwAV's prototypes are free, DeepCluster and SeLa have nothing stored yet
    x = views()
    losses = [float(step(method, x, torch.arange(SAMPLES), n)) for n in range(1, 30)]
    assert losses[-1] < losses[2] - 0.1 * abs(losses[2])  # MoCo's first step has an empty queue and no loss


# --- precision, layout, device --------------------------------------------------------------------------------------


def small_images(name: str):
    cls, options = METHODS[name]
    kept = {k: v for k, v in SMALL[name].items() if k != "projector"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method = cls(build_encoder("tiny"), options(**kept, projector=(16, 3)), samples=SAMPLES, steps=STEPS)
    return method, torch.randn(2, SAMPLES, 3, 8, 8, generator=torch.Generator().manual_seed(1))


DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", PEERS)
def test_bfloat16_autocast_and_channels_last_give_a_float32_loss_near_the_plain_one(name, device):
    plain, x = small_images(name)
    plain, x, index = plain.to(device), x.to(device), torch.arange(SAMPLES, device=device)
    mixed = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    for number in (1, 2):
        with torch.autocast(device, torch.bfloat16):
            out = mixed(*(v.to(memory_format=torch.channels_last) for v in x), index)
        mixed.zero_grad()
        out.loss.backward()
        mixed.after_step(number)
        expected = plain(x[0], x[1], index)
        plain.after_step(number)
    mixed.before_epoch(1)
    assert out.loss.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in trainable(mixed).values())
    assert out.loss.item() == pytest.approx(expected.loss.item(), rel=0.1, abs=0.05)


@pytest.mark.parametrize("name", PEERS)
def test_no_step_makes_a_tensor_on_another_device(name):
    method, x = small_images(name)
    method = method.to("meta")  # mixing a CPU tensor in is an error there, as on any accelerator
    for number in (1, 2):
        out = method(*x.to("meta"), torch.arange(SAMPLES, device="meta"))
        out.loss.backward()
        method.after_step(number)
    assert all(t.device.type == "meta" for t in [out.loss, out.z1, out.z2, *method.state_dict().values()])


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEERS)
def test_a_batch_of_one_is_a_clear_error(name):
    x = views()[:, :1]
    with pytest.raises(ValueError, match="a batch of 1 is too small"):
        build(name)(x[0], x[1], torch.arange(1))


@pytest.mark.parametrize("name", PEERS)
def test_options_are_frozen_refuse_unknown_names_and_empty_projectors(name):
    options = METHODS[name][1]
    with pytest.raises(AttributeError):
        options().projector = (3,)
    with pytest.raises(TypeError, match="colour"):
        options(colour=1)
    with pytest.raises(ValueError, match="projector"):
        options(projector=())


@pytest.mark.parametrize("name", PEERS)
def test_options_come_from_json_and_wrong_types_are_refused(name):
    options = METHODS[name][1]
    assert config.build(options, json.loads(json.dumps(SMALL[name])), name) == options(**SMALL[name])
    with pytest.raises(ValueError, match="has no 'colour'; the names are: projector"):
        config.build(options, {"colour": 1}, name)
    with pytest.raises(TypeError, match="projector"):
        config.build(options, {"projector": ["wide"]}, name)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("simclr", {"temperature": 0.0}, "temperature"),
        ("moco", {"momentum": 1.1}, "momentum"),
        ("moco", {"queue": 0}, "queue"),
        ("byol", {"momentum": -0.1}, "momentum"),
        ("swav", {"epsilon": 0.0}, "epsilon"),
        ("swav", {"queue": -1}, "queue"),
        ("deepcluster", {"heads": 0}, "heads"),
        ("sela", {"prototypes": 0}, "prototypes"),
        ("wmse", {"projector": (8, 64), "sub_batch": 64}, "sub_batch"),
        ("wmse", {"shrinkage": 0.0}, "shrinkage"),
        ("barlow_twins", {"scale": 0.0}, "scale"),
        ("vicreg", {"variance_weight": -1.0}, "variance_weight"),
        ("simsiam", {"projector": (0,)}, "projector"),
    ],
)
def test_options_out_of_range_are_errors_that_name_the_option(name, options, message):
    with pytest.raises(ValueError, match=message):
        METHODS[name][1](**options)


@pytest.mark.parametrize("name", ["deepcluster", "sela"])
def test_more_prototypes_than_training_samples_is_an_error(name):
    with pytest.raises(ValueError, match="use at most 3"):
        build(name, samples=3)


# --- wiring, method by method ---------------------------------------------------------------------------------------


def embeddings(method, x: torch.Tensor) -> list:
    return [method.projector(method.encoder(v)).detach().numpy() for v in x]


def test_simclr_simsiam_barlow_twins_vicreg_and_wmse_hand_their_embeddings_to_the_loss():
    x, index = views(), torch.arange(SAMPLES)
    runs = [(start, start + 4) for start in range(0, SAMPLES, 4)]
    expected = {
        "simclr": lambda m, z1, z2: slow.simclr(z1, z2, 0.5),
        "barlow_twins": lambda m, z1, z2: 0.1 * slow.barlow_twins(z1, z2, 0.005),
        "vicreg": lambda m, z1, z2: slow.vicreg(z1, z2, (25, 25, 1), 0.5),
        "wmse": lambda m, z1, z2: slow.wmse(z1, z2, runs, 1e-3),
        "simsiam": lambda m, z1, z2: slow.simsiam(
            *(m.predictor(torch.from_numpy(z)).detach().numpy() for z in (z1, z2)), z1, z2
        ),
    }
    for name, loops in expected.items():
        method = build(name)
        value = loops(method, *embeddings(method, x))
        assert float(method(x[0], x[1], index).loss.detach()) == pytest.approx(value, rel=1e-9), name


def test_simsiam_standardises_the_output_of_its_projector():
    z = torch.from_numpy(embeddings(build("simsiam"), views())[0])
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(z.var(dim=0, correction=0), torch.ones(4, dtype=torch.float64), rtol=1e-3, atol=0)


def test_byol_adds_both_directions_and_asks_the_slow_copy():
    method, x = build("byol"), views()
    train(method, 1)
    p1, p2 = (method.predictor(torch.from_numpy(z)).detach().numpy() for z in embeddings(method, x))
    t1, t2 = (method.teacher(v).numpy() for v in x)
    loss = method(x[0], x[1], torch.arange(SAMPLES)).loss.detach()
    assert float(loss) == pytest.approx(slow.byol(p1, t2) + slow.byol(p2, t1), rel=1e-9)
    assert slow.byol(p1, t2) != pytest.approx(slow.byol(p2, t1), rel=1e-3)


@pytest.mark.parametrize("symmetric", [True, False])
def test_moco_compares_with_its_queue_of_older_keys_only(symmetric):
    method, x, index = build("moco", symmetric=symmetric), views(), torch.arange(BATCH)
    assert float(method(x[0, :BATCH], x[1, :BATCH], index).loss.detach()) == 0  # nothing enqueued yet
    keys = [method.teacher(v[:BATCH]).numpy() for v in x]
    method.after_step(1)
    queue = [*keys[0], *keys[1]][-12:] if symmetric else keys[1]
    z1, z2 = embeddings(method, x[:, BATCH:])
    k1, k2 = (method.teacher(v[BATCH:]).numpy() for v in x)
    expected = slow.moco(z1, k2, queue, 0.2)
    if symmetric:
        expected = (expected + slow.moco(z2, k1, queue, 0.2)) / 2
    loss = method(x[0, BATCH:], x[1, BATCH:], index).loss.detach()
    assert float(loss) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "momentum"), [("byol", 1 - 0.1 * (1 + math.cos(math.pi * 9 / STEPS)) / 2), ("moco", 0.9)]
)
def test_slow_copies_follow_with_the_momentum_of_their_step(name, momentum):
    method = build(name)
    train(method, 1)
    before = [p.clone() for p in method.teacher.parameters()]
    method.after_step(10)
    fast = [*method.encoder.parameters(), *method.projector.parameters()]
    for slow_one, start, target in zip(method.teacher.parameters(), before, fast, strict=True):
        torch.testing.assert_close(slow_one, momentum * start + (1 - momentum) * target.detach())


def test_moco_s_queue_is_never_longer_than_the_training_set():
    assert len(build("moco", queue=10_000).queue.rows) == SAMPLES


def test_swav_freezes_its_prototypes_in_the_first_epoch_and_keeps_them_on_the_sphere():
    method = build("swav")
    start = method.prototypes.detach().clone()
    train(method, 1)
    torch.testing.assert_close(method.prototypes.detach(), start)
    train(method, 1, first=1)
    assert float((method.prototypes.detach() - start).abs().max()) > 1e-4
    torch.testing.assert_close(method.prototypes.detach().norm(dim=1), torch.ones(5, dtype=torch.float64))


def test_swav_s_queue_starts_at_its_epoch_and_then_takes_part():
    method = build("swav", queue_start=3)
    seen = []
    for epoch in range(6):
        method.before_epoch(epoch)
        step(method, views(epoch)[:, :BATCH], torch.arange(BATCH), epoch)
        seen.append(int(method.queues[0].filled().sum()))
    assert seen == [0, 0, 0, 8, 12, 12]
    scores = torch.randn(BATCH, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64).tanh()
    with_queue = method._codes(scores, 0)
    resumed = build("swav", queue_start=3)
    resumed.load_state_dict(method.state_dict())
    assert torch.equal(with_queue, resumed._codes(scores, 0))
    method.queues[0].pushed.zero_()
    assert not torch.allclose(with_queue, method._codes(scores, 0))


def test_swav_without_a_queue_balances_the_batch_alone():
    method = build("swav", queue=0)
    assert len(method.queues) == 0
    assert all(loss > 0 for loss in train(method, 1))


def test_deepcluster_labels_are_balanced_in_epoch_zero_and_clusters_of_the_memory_afterwards():
    method, x = build("deepcluster"), views()
    assert not bool(method.clustered)
    z1, z2 = (torch.from_numpy(z) for z in embeddings(method, x))
    counts = torch.stack([torch.bincount(y, minlength=4) for y in method._balanced_labels(z1, z2)])
    assert int(counts.max()) < 3 * SAMPLES // 4  # no prototype takes nearly all
    train(method, 1)
    memory = [method.memory.read(view).clone() for view in (0, 1)]
    method.before_epoch(1)
    assert bool(method.clustered)
    for head in range(2):
        for k in range(4):
            total = memory[head][method.labels[head] == k].sum(dim=0)
            torch.testing.assert_close(method.prototypes[head, k], total / total.norm())


@pytest.mark.parametrize("name", ["deepcluster", "sela"])
def test_a_sample_that_the_last_epoch_did_not_show_has_no_label(name):
    method, x = build(name), views()
    method.before_epoch(0)
    step(method, x[:, :BATCH], torch.arange(BATCH), 1)
    method.before_epoch(1)
    assert (method.labels[:, :BATCH] >= 0).all()
    assert (method.labels[:, BATCH:] == UNLABELLED).all()
    assert float(method(x[0, BATCH:], x[1, BATCH:], torch.arange(BATCH, SAMPLES)).loss.detach()) == 0


@pytest.mark.parametrize("name", ["deepcluster", "sela"])
def test_labels_do_not_outlive_the_epoch_after_the_one_that_showed_the_sample(name):
    method, x = build(name), views()
    for epoch, shown in enumerate((slice(0, BATCH), slice(BATCH, SAMPLES))):
        method.before_epoch(epoch)
        step(method, x[:, shown], torch.arange(SAMPLES)[shown], epoch + 1)
    method.before_epoch(2)
    assert (method.labels[:, :BATCH] == UNLABELLED).all()
    assert (method.labels[:, BATCH:] >= 0).all()


def test_deepcluster_starts_every_head_and_epoch_from_other_rows():
    method = build("deepcluster", heads=3, prototypes=5, iterations=1)
    rows = torch.randn(SAMPLES, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = []
    for epoch in (1, 2):
        method.memory.write(torch.arange(SAMPLES), rows, rows)
        method.before_epoch(epoch)
        found += [p.clone() for p in method.prototypes]
    assert all(not torch.equal(a, b) for i, a in enumerate(found) for b in found[:i])


def test_sela_labels_odd_heads_by_the_second_view_and_keeps_prototypes_on_the_sphere():
    method = build("sela")
    rows = torch.randn(2, SAMPLES, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    method.memory.write(torch.arange(SAMPLES), *rows)
    method.before_epoch(1)
    for head in range(2):
        expected = method._balanced_labels(rows[head], method.prototypes[head])
        assert torch.equal(method.labels[head], expected)
        assert not torch.equal(expected, method._balanced_labels(rows[1 - head], method.prototypes[head]))
    x = views()
    step(method, x, torch.arange(SAMPLES), 1)
    torch.testing.assert_close(method.prototypes.detach().norm(dim=2), torch.ones(2, 4, dtype=torch.float64))


def test_sela_labels_use_every_prototype_about_equally():
    method = build("sela", heads=1, prototypes=4, iterations=200)
    rows = torch.randn(2, SAMPLES, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    method.memory.write(
        torch.arange(SAMPLES), rows[0] + 3, rows[1] + 3
    )  # all in one corner: argmax alone would collapse
    method.before_epoch(1)
    nearest = (method.memory.rows[0] @ method.prototypes[0].T.detach()).argmax(dim=1)
    assert int(torch.bincount(nearest, minlength=4).max()) > SAMPLES // 2
    counts = torch.bincount(method.labels[0], minlength=4)
    assert int(counts.min()) >= 2
    assert int(counts.max()) <= 6
