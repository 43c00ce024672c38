"""Every loss against its public peers: value, gradient, and the reason for each difference, which has to explain it.

    python benchmarks/against_peers.py [--checkout imsvd=FOLDER] [--out benchmarks/results/peers.json]

A peer is compared on the same inputs in float64, twice: its public function as it is called, and, where the two follow
different conventions, ours put into its own. A reason counts as one only if that second difference is rounding.
Packages are used where they are installed (lightly, solo-learn), code that no package offers from a checkout; a peer
that is not there is skipped, and the record and the output say so. Exit status 1 if a difference is left unexplained.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import importlib.util
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from musiclib import MusicLoss, methods
from musiclib.files import write_json
from musiclib.methods.parts.sinkhorn import sinkhorn
from musiclib.record import now, provenance

N, D, K, S = 24, 6, 4, 3
ROUNDING = 1e-6
"""What two computations of one loss may differ by, relative to the larger of one and the value (or the largest entry
of the gradient): guards under roots and in norms are smaller."""

LOSSES = {"music", *(name for name in methods.METHODS if name not in ("music", "music-invariance", "supervised"))}

Inputs = tuple[Tensor, ...]
Loss = Callable[..., Tensor]


@dataclass(frozen=True)
class Pair:
    """A loss of ours and a peer's function of the same inputs.

    live: how many of the inputs, from the first, are differentiated. reason: why they differ, "" if they do not;
    bridged: ours in the peer's convention, where there is a reason.
    """

    loss: str
    peer: str
    function: str
    inputs: Inputs
    live: int
    ours: Loss
    theirs: Loss
    reason: str = ""
    bridged: Loss | None = None


@dataclass(frozen=True)
class Difference:
    """Relative differences of a pair, as called and in the peer's convention."""

    loss: str
    peer: str
    function: str
    ours: float
    theirs: float
    value: float
    gradient: float
    reason: str
    value_bridged: float
    gradient_bridged: float

    @property
    def explained(self) -> bool:
        """Whether rounding, or the reason, accounts for the difference."""
        return max(self.value_bridged, self.gradient_bridged) <= ROUNDING


def drawn(*shape: int, seed: int) -> Tensor:
    """Normal numbers from a generator of their own."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(x: Tensor) -> Tensor:
    """Rows of norm one."""
    return x / x.norm(dim=1, keepdim=True)


def views() -> Inputs:
    """Two views of one batch, the second near the first."""
    z = drawn(N, D, seed=1)
    return z, z + 0.6 * drawn(N, D, seed=2)


Z1, Z2 = views()
PREDICTIONS = drawn(N, D, seed=3), drawn(N, D, seed=4)
QUEUE = unit(drawn(9, D, seed=5))
SCORES = tuple(torch.tanh(drawn(N, K, seed=seed)) for seed in (6, 7))
PROTOTYPES, LABELS = drawn(2, K, D, seed=8), torch.randint(K, (2, N), generator=torch.Generator().manual_seed(9))
LOGITS = drawn(N, S * K, seed=10), drawn(N, S * K, seed=11)


def our_swav(scores1: Tensor, scores2: Tensor) -> Tensor:
    """SwAV with codes of the same scores."""
    codes = [sinkhorn(x.detach(), 0.05, 3) for x in (scores1, scores2)]
    return methods.swav_loss(scores1, scores2, *codes, 0.1)


def our_wmse(z1: Tensor, z2: Tensor) -> Tensor:
    """W-MSE of the whole batch, without shrinkage."""
    return methods.wmse_loss(z1, z2, sub_batch=N, shrinkage=0.0)


# lightly ----------------------------------------------------------------------------------------------

KEPT: list[torch.library.Library] = []
"""Declarations of operators last as long as their library object."""


def declare_missing_operators() -> None:
    """Let torchvision be imported beside a torch that it was not compiled for: the two operators that it describes
    meanwhile are declared. No loss calls them."""
    with contextlib.suppress(ImportError, RuntimeError):
        importlib.import_module("torchvision")
        return
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    KEPT.append(library)


def lightly_pairs(_: Path | None) -> Iterator[Pair]:
    """What lightly offers."""
    declare_missing_operators()
    from lightly import loss as theirs

    def pair(loss: str, function: str, inputs: Inputs, ours: Loss, call: Loss, reason: str = "", bridged=None, live=2):
        return Pair(loss, "lightly", function, inputs, live, ours, call, reason, bridged)

    cosine = theirs.NegativeCosineSimilarity()

    def moco(query: Tensor, key: Tensor) -> Tensor:
        contrast = theirs.NTXentLoss(temperature=0.2, memory_bank_size=(len(QUEUE), D))
        contrast.memory_bank.bank = QUEUE.clone()
        return contrast(query, key.detach())

    yield pair("simclr", "NTXentLoss", (Z1, Z2), lambda a, b: methods.simclr_loss(a, b, 0.5), theirs.NTXentLoss(0.5))
    yield pair("moco", "NTXentLoss(memory_bank_size)", (Z1, Z2), lambda a, b: methods.moco_loss(a, b, QUEUE), moco)
    yield pair(
        "byol",
        "NegativeCosineSimilarity",
        (PREDICTIONS[0], Z2),
        methods.byol_loss,
        lambda p, z: cosine(p, z.detach()),
        "minus the cosine, where the paper has the squared distance 2 - 2 cos: half the gradient",
        lambda p, z: (methods.byol_loss(p, z) - 2) / 2,
    )
    yield pair(
        "simsiam",
        "NegativeCosineSimilarity",
        (*PREDICTIONS, Z1, Z2),
        methods.simsiam_loss,
        lambda p1, p2, z1, z2: (cosine(p1, z2.detach()) + cosine(p2, z1.detach())) / 2,
        live=4,
    )
    yield pair(
        "swav", "SwaVLoss", SCORES, our_swav, lambda a, b: theirs.SwaVLoss(temperature=0.1)([a, b], []).squeeze()
    )
    yield pair(
        "wmse",
        "WMSELoss",
        (Z1, Z2),
        our_wmse,
        lambda a, b: theirs.WMSELoss(embedding_dim=D, w_size=N, track_running_stats=False)(torch.cat([a, b])),
    )
    yield pair("barlow_twins", "BarlowTwinsLoss", (Z1, Z2), methods.barlow_twins_loss, theirs.BarlowTwinsLoss())
    yield pair("vicreg", "VICRegLoss", (Z1, Z2), methods.vicreg_loss, theirs.VICRegLoss())


# solo-learn -------------------------------------------------------------------------------------------


def solo_losses() -> Path:
    """The folder of solo-learn's losses, which need nothing of the rest of the package and are loaded without it."""
    return Path(str(importlib.metadata.distribution("solo-learn").locate_file("solo/losses")))


def module_of(path: Path) -> types.ModuleType:
    """The module in a file, loaded by itself."""
    spec = importlib.util.spec_from_file_location(f"public_{path.stem}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise ImportError(f"{path.name} is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def solo_pairs(_: Path | None) -> Iterator[Pair]:
    """What solo-learn offers."""

    def theirs(name: str, function: str) -> Loss:
        return getattr(module_of(solo_losses() / f"{name}.py"), function)

    def pair(loss: str, function: str, inputs: Inputs, ours: Loss, call: Loss, reason: str = "", bridged=None, live=2):
        return Pair(loss, "solo-learn", function, inputs, live, ours, call, reason, bridged)

    simclr, moco = theirs("simclr", "simclr_loss_func"), theirs("moco", "moco_loss_func")
    byol, simsiam = theirs("byol", "byol_loss_func"), theirs("simsiam", "simsiam_loss_func")
    swav, wmse = theirs("swav", "swav_loss_func"), theirs("wmse", "wmse_loss_func")
    deepcluster = theirs("deepclusterv2", "deepclusterv2_loss_func")
    barlow, vicreg = theirs("barlow", "barlow_loss_func"), theirs("vicreg", "vicreg_loss_func")

    def white(z: Tensor) -> Tensor:
        return methods.wmse.whiten(z, 0.0)

    def with_clusters(z1: Tensor, z2: Tensor) -> Tensor:
        c = nn.functional.normalize(PROTOTYPES, dim=2)
        scores = torch.stack([torch.stack([unit(z) @ head.T for z in (z1, z2)]) for head in c])
        return deepcluster(scores, LABELS, 0.1)

    yield pair("simclr", "simclr_loss_func", (Z1, Z2), methods.simclr_loss, lambda a, b: simclr(a, b, 0.5))
    yield pair(
        "moco",
        "moco_loss_func",
        (Z1, Z2),
        lambda q, k: methods.moco_loss(q, k, QUEUE),
        lambda q, k: moco(unit(q), unit(k.detach()), QUEUE.T, 0.2),
    )
    yield pair("byol", "byol_loss_func", (PREDICTIONS[0], Z2), methods.byol_loss, byol)
    yield pair(
        "simsiam",
        "simsiam_loss_func",
        (*PREDICTIONS, Z1, Z2),
        methods.simsiam_loss,
        lambda p1, p2, z1, z2: (simsiam(p1, z2) + simsiam(p2, z1)) / 2,
        live=4,
    )
    yield pair(
        "swav",
        "swav_loss_func, codes given",
        SCORES,
        our_swav,
        lambda a, b: swav([a, b], [sinkhorn(x.detach(), 0.05, 3) for x in (a, b)], 0.1),
    )
    yield pair(
        "deepcluster",
        "deepclusterv2_loss_func, labels given",
        (Z1, Z2),
        lambda a, b: methods.deepcluster_loss(a, b, PROTOTYPES, LABELS),
        with_clusters,
    )
    yield pair(
        "wmse",
        "wmse_loss_func, after our whitening",
        (Z1, Z2),
        our_wmse,
        lambda a, b: wmse(white(a), white(b)),
        "no gradient to the second view, and one order of the views: half of the paper's gradient is lost",
        lambda a, b: our_wmse(a, b.detach()),
    )
    yield pair(
        "barlow_twins",
        "barlow_loss_func",
        (Z1, Z2),
        methods.barlow_twins_loss,
        barlow,
        "a factor of 0.025 in front of the paper's loss",
        lambda a, b: 0.025 * methods.barlow_twins_loss(a, b),
    )
    yield pair(
        "vicreg",
        "vicreg_loss_func",
        (Z1, Z2),
        methods.vicreg_loss,
        vicreg,
        "the variance term as printed, where the released code has half of it; ours has both",
        lambda a, b: methods.vicreg_loss(a, b, halve_variance=False),
    )


# the follow-up's code -----------------------------------------------------------------------------------


@contextlib.contextmanager
def one_process() -> Iterator[None]:
    """A process group of one: the code gathers from all processes whatever their number."""
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=0, world_size=1)
        try:
            yield
        finally:
            dist.destroy_process_group()


def imsvd_pairs(folder: Path | None) -> Iterator[Pair]:
    """MUSIC's only public code, that of the authors' follow-up, from a checkout: its loss on given logits."""
    if folder is None:
        raise ImportError("no package offers it; give a checkout with --checkout imsvd=FOLDER")
    declare_missing_operators()
    sys.path.insert(0, str(folder))
    theirs = module_of(folder / "imsvd_cifar.py")

    def loss(z1: Tensor, z2: Tensor) -> Tensor:
        model = theirs.IMSVD.__new__(theirs.IMSVD)
        nn.Module.__init__(model)
        model.args = types.SimpleNamespace(ti_coeff=1.0, dia_coeff=1.0, off_coeff=1.0)
        model.backbone = model.projector = nn.Identity()
        model.bin_size, model.num_blocks, model.t = K, S, 1.0
        model.off_block_idx = theirs.off_diagonal_idx(S)
        return model(z1, z2)[0]

    far = tuple(12 * z for z in LOGITS)

    def clamped(z1: Tensor, z2: Tensor) -> Tensor:
        q1, q2 = (torch.softmax(z.view(N, S, K), -1).clamp_min(1e-8) for z in (z1, z2))
        joint = torch.einsum("nsi,ntj->stij", q1, q2) / N
        plogp = joint * joint.log()
        agree, own = torch.einsum("ssii->", plogp), torch.einsum("ssij->", plogp)
        off = (plogp.sum() - own) / (S * (S - 1))
        return agree / S + off - (q1 * q2).sum(-1).log().mean()

    reason = "codes are clamped at 1e-8: disagreement beyond 17.7 nats is neither counted nor corrected"
    ours = MusicLoss(S)
    # it gathers, also on the way back, whatever the number of processes; a pair is compared before the next is made
    with one_process():
        yield Pair("music", "IMSVD", "IMSVD, logits of scale 1", LOGITS, 2, ours, loss)
        yield Pair("music", "IMSVD", "IMSVD, logits of scale 12", far, 2, ours, loss, reason, clamped)


# comparison -------------------------------------------------------------------------------------------


def evaluated(loss: Loss, inputs: Inputs, live: int) -> tuple[Tensor, list[Tensor]]:
    """The value, and the gradient to every input that is differentiated; what a loss makes itself is float64 too."""
    inputs = tuple(x.clone().requires_grad_(i < live) for i, x in enumerate(inputs))
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        value = loss(*inputs)
    finally:
        torch.set_default_dtype(usual)
    return value.detach(), list(torch.autograd.grad(value, inputs[:live], materialize_grads=True))


def apart(a: tuple[Tensor, list[Tensor]], b: tuple[Tensor, list[Tensor]]) -> tuple[float, float]:
    """Relative differences of two values and of their gradients."""
    value = float((a[0] - b[0]).abs() / a[0].abs().clamp_min(1.0))
    size = max(float(x.abs().max()) for x in a[1])
    return value, max(float((x - y).abs().max()) for x, y in zip(a[1], b[1], strict=True)) / size


def compare(pair: Pair) -> Difference:
    """Both losses of a pair on its inputs."""
    theirs = evaluated(pair.theirs, pair.inputs, pair.live)
    ours = evaluated(pair.ours, pair.inputs, pair.live)
    bridged = evaluated(pair.bridged, pair.inputs, pair.live) if pair.bridged else ours
    numbers = float(ours[0]), float(theirs[0]), *apart(ours, theirs), pair.reason, *apart(bridged, theirs)
    return Difference(pair.loss, pair.peer, pair.function, *numbers)


PEERS: dict[str, tuple[str, Callable[[Path | None], Iterator[Pair]]]] = {
    "lightly": ("lightly", lightly_pairs),
    "solo-learn": ("solo-learn", solo_pairs),
    "imsvd": ("", imsvd_pairs),
}
"""Peer -> its distribution ("" for a checkout) and its pairs."""


def compare_all(checkouts: dict[str, Path]) -> tuple[list[Difference], dict[str, str], dict[str, str]]:
    """Differences, versions of the peers that were there, and why the others were not."""
    found, versions, skipped = [], {}, {}
    for name, (distribution, pairs) in PEERS.items():
        try:
            version = importlib.metadata.version(distribution) if distribution else "checkout"
            found += [compare(pair) for pair in pairs(checkouts.get(name))]
            versions[name] = version
        except ImportError as reason:
            missing = isinstance(reason, importlib.metadata.PackageNotFoundError)
            skipped[name] = "not installed" if missing else str(reason)
    return found, versions, skipped


def main(arguments: list[str] | None = None) -> int:
    """Compare, print, store; 1 if a difference is left unexplained."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--checkout", action="append", default=[], metavar="PEER=FOLDER", help="a peer's code")
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "peers.json")
    options = p.parse_args(arguments)
    checkouts = {name: Path(folder).resolve() for name, _, folder in (one.partition("=") for one in options.checkout)}
    if unknown := set(checkouts) - set(PEERS):
        p.error(f"--checkout: expected one of {', '.join(PEERS)}, got {', '.join(sorted(unknown))}")
    found, versions, skipped = compare_all(checkouts)
    for one in found:
        mark = "ok" if one.explained else "!!"
        print(f"{mark} {one.loss:<13}{one.peer:<11}{one.value:9.1e}{one.gradient:9.1e}  {one.reason}")
    for name, reason in skipped.items():
        print(f"-- {name} skipped: {reason}")
    source = {**provenance(), "date": now()}
    rows = [{**asdict(one), "explained": one.explained} for one in found]
    without = sorted(LOSSES - {one.loss for one in found})
    data = {"provenance": source, "versions": versions, "skipped": skipped, "without": without, "pairs": rows}
    write_json(options.out, data)
    return 0 if all(one.explained for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
