"""Whose rows make up a batch: all processes', some processes', or this one's alone; and nobody waits for nobody."""

import pytest
import torch
import torch.distributed as dist
from test_baselines_methods import PEERS, Encoder, build
from torch import nn
from two_processes import in_processes, in_two_processes

from musiclib import MusicLoss, code_terms, joint_distribution, music_terms, segment_softmax
from musiclib.distributed import BatchNorm1d, BatchNorm2d, both_views, check_group, count_rows, gather_batch
from musiclib.joint import agreement
from musiclib.methods.base import Method
from musiclib.methods.music import Music, MusicOptions
from musiclib.methods.supervised import Supervised, SupervisedOptions
from musiclib.streaming import streamed_off_diagonal

S, K = 3, 4
BRANCHES = {"joint averaged": (13, None), "codes gathered": (7, None), "streamed": (13, 5)}
"""Rows of the global batch (D = 12) and the tile."""


def logits(rows: int) -> torch.Tensor:
    """(2, rows, D): two views."""
    return torch.randn(2, rows, S * K, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


class Messages:
    """While it lasts, `sent` counts the collectives that this process takes part in."""

    NAMES = ("all_gather", "all_reduce", "broadcast")

    def __enter__(self):
        self.sent, self.kept = 0, {name: getattr(dist, name) for name in self.NAMES}
        for name, function in self.kept.items():
            setattr(dist, name, self.counting(function))
        return self

    def counting(self, function):
        def counted(*args, **kwargs):
            self.sent += 1
            return function(*args, **kwargs)

        return counted

    def __exit__(self, *_):
        for name, function in self.kept.items():
            setattr(dist, name, function)


def everything(z: torch.Tensor, group, tile: int | None) -> dict[str, torch.Tensor]:
    """What every public door says of the views z (2, n, D), and the gradient of the loss."""
    z1, z2 = (x.clone().requires_grad_() for x in z)
    loss = MusicLoss(S, tile=tile, group=group)(z1, z2)
    loss.backward()
    q1, q2 = segment_softmax(z[0], S), segment_softmax(z[1], S)
    return {
        "loss": loss.detach(),
        "gradient": torch.stack([z1.grad, z2.grad]),
        "terms": torch.stack([*music_terms(*z, S, tile=tile, group=group)]),
        "terms of codes": torch.stack([*code_terms(q1, q2, tile=tile, group=group)]),
        "joint": joint_distribution(q1, q2, group),
        "agreement": agreement(q1, q2, group),
        "streamed": streamed_off_diagonal(q1, q2, tile, group),
        "rows": gather_batch(z[0], group),
    }


# --- some processes, and one alone ------------------------------------------------------------------------------------


ALL_THREE = slice(1), slice(1, 4), slice(4, None)
"""Rows of the batch that all three processes share."""


def of_three(place: int) -> dict[str, dict]:
    """Processes 0 and 2 share a batch, of which 0 has two rows; process 1 is alone with its own."""
    pair = dist.new_group([0, 2])
    group = "local" if place == 1 else pair
    out = {}
    for name, (rows, tile) in BRANCHES.items():
        z = logits(rows)
        mine = {0: z[:, :2], 1: 2 * z[:, :5], 2: z[:, 2:]}[place]
        out[name] = everything(mine, group, tile)
        out[f"all, {name}"] = everything(z[:, ALL_THREE[place]], None, tile)
    out["outsider"] = "accepted"
    if place == 1:
        try:
            check_group(pair)
        except ValueError as error:
            out["outsider"] = str(error)
    return out


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return in_processes(3, of_three, tmp_path_factory.mktemp("three"))


def shared(alone: dict, own: slice) -> dict:
    """What one of two processes must see, from what one process sees of all rows."""
    return {**alone, "gradient": 2 * alone["gradient"][:, own]}  # the mean over two processes halves it again


@pytest.mark.parametrize("name", BRANCHES)
def test_a_group_shares_a_batch_and_one_alone_has_its_own(three, name):
    rows, tile = BRANCHES[name]
    z = logits(rows)
    pair = everything(z, None, tile)
    expected = [shared(pair, slice(2)), everything(2 * z[:, :5], None, tile), shared(pair, slice(2, None))]
    for seen, right in zip(three, expected, strict=True):
        torch.testing.assert_close(seen[name], right, rtol=1e-10, atol=1e-13)
    assert abs(three[1][name]["loss"] - three[0][name]["loss"]) > 1e-3


@pytest.mark.parametrize("name", BRANCHES)
def test_three_unequal_shares_are_one_batch(three, name):
    rows, tile = BRANCHES[name]
    alone = everything(logits(rows), None, tile)
    for seen, own in zip(three, ALL_THREE, strict=True):
        right = {**alone, "gradient": 3 * alone["gradient"][:, own]}
        torch.testing.assert_close(seen[f"all, {name}"], right, rtol=1e-10, atol=1e-13)


def test_who_is_not_in_a_group_cannot_name_it(three):
    assert [seen["outsider"].split(":")[0] for seen in three] == ["accepted", "group", "accepted"]


@pytest.mark.parametrize("group", ["world", 0, True])
def test_a_group_that_is_none_is_refused_by_name(group):
    with pytest.raises(ValueError, match=rf"^group: .* got {group!r}"):
        MusicLoss(S, group=group)


def test_a_loss_says_whose_batch_it_takes():
    assert repr(MusicLoss(S, group="local")).endswith("tile=None, group='local')")
    assert repr(MusicLoss(S)).endswith("tile=None)")


# --- two processes: one of them alone at something, one without rows, second derivatives ------------------------------


def on_zero_alone(place: int) -> dict:
    """Process 0 evaluates while process 1 is elsewhere; then both meet, which tells that no message is left over."""
    out = {}
    if place == 0:
        with Messages() as messages:
            out = {name: everything(logits(rows), "local", tile) for name, (rows, tile) in BRANCHES.items()}
        out["sent"] = messages.sent
    out["rows after"] = gather_batch(torch.full((place + 1,), float(place)))
    with Messages() as messages:
        everything(logits(7), None, None)
    out["sent together"] = messages.sent
    return out


def message_of(error_of) -> str:
    """What the ValueError says that `error_of()` raises, or that there was none."""
    try:
        error_of()
    except ValueError as error:
        return str(error)
    return "no error"


def others() -> dict[str, Method]:
    """The two methods that are no peers: MUSIC, soft and hard, and supervised training."""
    small, options = {"samples": 16, "steps": 1}, {"segments": 2, "units": 3, "projector": (5,)}
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return {
            "music": Music(Encoder(), MusicOptions(**options), **small),
            "music, hard": Music(Encoder(), MusicOptions(**options, codes="hard", invariance_weight=0), **small),
            "supervised": Supervised(Encoder(), SupervisedOptions(), labels=torch.arange(16) % 3, **small),
        }


def without_rows(place: int) -> dict[str, str]:
    """Process 1 has no rows."""
    z = logits(6 * (1 - place))
    q = segment_softmax(z[0], S) if place == 0 else torch.zeros(0, S, K, dtype=torch.float64)
    doors = {
        "loss": lambda: MusicLoss(S)(*z),
        "streamed loss": lambda: MusicLoss(S, tile=4)(*z),
        "terms": lambda: music_terms(*z, S),
        "terms of codes": lambda: code_terms(q, q),
        "joint": lambda: joint_distribution(q, q),
        "agreement": lambda: agreement(q, q),
        "streamed": lambda: streamed_off_diagonal(q, q),
        "rows": lambda: gather_batch(q),
    }
    x, index = torch.zeros(6 * (1 - place), 1, 2, 3), torch.arange(6 * (1 - place))
    methods = {name: build(name).float() for name in PEERS} | others()
    doors |= {name: lambda method=method: method(x, x, index) for name, method in methods.items()}
    return {name: message_of(door) for name, door in doors.items()}


def terms_of_others(share: slice) -> dict[str, dict]:
    """Loss and terms of one batch of eight."""
    x = torch.randn(2, 8, 1, 2, 3, generator=torch.Generator().manual_seed(12))[:, share]
    outputs = {name: method(*x, torch.arange(8)[share]) for name, method in others().items()}
    return {name: {"loss": output.loss.detach(), **output.terms} for name, output in outputs.items()}


def hessian_times(place: int) -> dict[str, torch.Tensor]:
    """H v of the loss of all rows, with respect to this process's."""
    out = {}
    for name, (rows, tile) in BRANCHES.items():
        mine = slice(3, None) if place else slice(3)
        z, v = logits(rows)[:, mine].requires_grad_(), logits(rows + 1)[:, :rows][:, mine]
        (slope,) = torch.autograd.grad(MusicLoss(S, tile=tile)(*z), z, create_graph=True)
        out[name] = torch.autograd.grad(slope, z, v)[0]
    return out


def of_two(place: int) -> dict:
    work = {"alone": on_zero_alone, "empty": without_rows, "second": hessian_times}
    work |= {"views": views_of_networks, "twice": create_graph}
    out = {name: function(place) for name, function in work.items()}
    return out | {"others": terms_of_others(slice(3, None) if place else slice(3))}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return in_two_processes(of_two, tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("name", BRANCHES)
def test_one_process_evaluates_alone_as_if_there_were_no_other(two, name):
    rows, tile = BRANCHES[name]
    torch.testing.assert_close(two[0]["alone"][name], everything(logits(rows), None, tile), rtol=0, atol=0)


def test_alone_nothing_is_sent_and_nothing_is_left_over(two):
    assert two[0]["alone"]["sent"] == 0
    assert all(seen["alone"]["sent together"] > 0 for seen in two)
    assert [seen["alone"]["rows after"].tolist() for seen in two] == 2 * [[0.0, 1.0, 1.0]]


def test_a_process_without_rows_is_an_error_on_all_of_them_through_every_door(two):
    said = {message for seen in two for message in seen["empty"].values()}
    assert len(two[0]["empty"]) == 8 + len(PEERS) + 3
    assert said == {"batch: every process needs one row at least, process by process they have (6, 0)"}


@pytest.mark.parametrize("name", others())
def test_three_rows_and_five_are_a_batch_of_eight_to_the_methods_that_are_no_peers(two, name):
    alone = terms_of_others(slice(None))[name]
    for process in two:
        torch.testing.assert_close(process["others"][name], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BRANCHES)
def test_second_derivatives_are_those_of_one_process(two, name):
    rows, tile = BRANCHES[name]
    z, v = logits(rows).requires_grad_(), logits(rows + 1)[:, :rows]
    (slope,) = torch.autograd.grad(MusicLoss(S, tile=tile)(*z), z, create_graph=True)
    expected = torch.autograd.grad(slope, z, v)[0]
    seen = torch.cat([process["second"][name] for process in two], dim=1)
    # Both processes differentiate their own copy of the one loss, and each copy reaches every row.
    torch.testing.assert_close(seen / 2, expected, rtol=1e-10, atol=1e-13)


def test_one_process_counts_its_own_rows_and_nothing_has_none():
    assert (count_rows(torch.zeros(3, 2)).counts, count_rows(torch.zeros(())).counts) == ((3,), (0,))


# --- both views at once -----------------------------------------------------------------------------------------------

NETWORKS = {
    "maps and features": (BatchNorm2d, BatchNorm1d, 0.1),
    "running mean of all": (BatchNorm2d, BatchNorm1d, None),
    "another kind": (nn.BatchNorm2d, BatchNorm1d, 0.1),
}


def networks(kind: str) -> tuple[nn.Module, nn.Module]:
    maps, features, momentum = NETWORKS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(9)
        encoder = nn.Sequential(nn.Conv2d(2, 3, 2), maps(3, momentum=momentum), nn.Tanh(), nn.Flatten())
        projector = nn.Sequential(nn.Linear(12, 4), features(4, momentum=momentum, affine=False))
    return encoder.double(), projector.double()


def images() -> torch.Tensor:
    """(2, 8, 2, 3, 3): the second view has other statistics than the first."""
    x = torch.randn(2, 8, 2, 3, 3, generator=torch.Generator().manual_seed(10), dtype=torch.float64)
    return x * torch.tensor([1.0, 3.0], dtype=torch.float64).view(2, 1, 1, 1, 1) + 0.5


def one_by_one(x1, x2, encoder, projector):
    return projector(encoder(x1)), projector(encoder(x2))


def learn(how, kind: str, share: slice) -> dict:
    """Two forward passes and a backward one: embeddings, gradients, buffers."""
    encoder, projector = networks(kind)
    x1, x2 = images()[:, share].clone().requires_grad_()
    how(2 * x2, x1, encoder, projector)
    with Messages() as messages:
        z1, z2 = how(x1, x2, encoder, projector)
    g1, g2 = images()[..., 0, :2].flatten(2)[:, share]
    ((z1 * g1).sum() + (z2 * g2 * z1).sum()).backward()
    net = nn.Sequential(encoder, projector)
    return {
        "embeddings": torch.stack([z1, z2]).detach(),
        "gradients": [p.grad for p in net.parameters()],
        "buffers": dict(net.named_buffers()),
        "sent": messages.sent,
    }


def views_of_networks(place: int) -> dict:
    share = slice(3, None) if place else slice(3)
    ways = {"at once": both_views, "one by one": one_by_one}
    return {f"{kind}, {way}": learn(how, kind, share) for kind in NETWORKS for way, how in ways.items()}


@pytest.mark.parametrize("kind", NETWORKS)
def test_both_views_at_once_are_each_view_by_itself_running_statistics_included(two, kind):
    for process in two:
        once, apart = (dict(process["views"][f"{kind}, {way}"]) for way in ("at once", "one by one"))
        sent = once.pop("sent"), apart.pop("sent")
        assert sent == ((2, 2) if kind == "another kind" else (2, 4))  # messages: layers, or layers times views
        torch.testing.assert_close(once, apart, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind != "another kind"])
def test_both_views_of_two_processes_are_those_of_one(two, kind):
    alone = learn(one_by_one, kind, slice(None))
    seen = [process["views"][f"{kind}, at once"] for process in two]
    embeddings = torch.cat([process["embeddings"] for process in seen], dim=1)
    torch.testing.assert_close(embeddings, alone["embeddings"], rtol=1e-10, atol=1e-12)
    summed = [sum(parts) for parts in zip(*(process["gradients"] for process in seen), strict=True)]
    torch.testing.assert_close(summed, alone["gradients"], rtol=1e-9, atol=1e-12)
    for process in seen:
        torch.testing.assert_close(process["buffers"], alone["buffers"], rtol=1e-10, atol=1e-12)


def create_graph(place: int) -> str:
    """What a second derivative through normalisation by global statistics raises."""
    x = images()[0, 4 * place : 4 * place + 4].requires_grad_()
    value = BatchNorm2d(2).double()(x).pow(3).sum()
    try:
        torch.autograd.grad(value, x, create_graph=True)
    except RuntimeError as error:
        return str(error)
    return "no error"


def test_a_second_derivative_of_global_statistics_is_refused_and_not_wrong(two):
    assert all(process["twice"].startswith("create_graph: ") for process in two)
