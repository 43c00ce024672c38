"""A control: the objective with an entropy of triples, which closes what the pairwise terms leave open.

    third = (1/T) sum over triples s < t < u of  sum_ijk P[stu, ijk] log P[stu, ijk]
    P[stu, ijk] = (1/N) sum_n q1[n, s, i] q1[n, t, j] q2[n, u, k]      (and with the views exchanged; the mean of both)

The pairwise objective is at its minimum at c3 = c1 + c2 mod K, where the third segment says nothing new (theory C21);
this term is log K above its own there (C56). It is no part of MUSIC: its cells grow by S K, and a batch of N reads at
most log N of 3 log K. What it shows is that pairwise terms are the reason why such a code can stay, on free codes
(`descend`) and in a trained network (`trained`): two attributes of K values carry K + 1 segments that are pairwise
independent, a Bush array, and only an entropy of triples asks for a third attribute.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from musiclib.coding import hard_codes, segment_softmax
from musiclib.config import TrainConfig
from musiclib.datasets import ImageSet
from musiclib.encoders import build_encoder
from musiclib.information import total_correlation
from musiclib.methods.base import Output
from musiclib.methods.music import Music, MusicOptions
from musiclib.objective import MusicLoss, phi
from musiclib.pretrain.assemble import health_of, view_configs
from musiclib.pretrain.loop import Training, train
from musiclib.pretrain.optimisers import build_optimiser
from musiclib.pretrain.randomness import local_randomness
from musiclib.schema import build


def third_order_term(q1: Float[Tensor, "n s k"], q2: Float[Tensor, "n s k"]) -> Float[Tensor, ""]:
    """Minus the mean entropy of triples of segments, in [-3 log K, 0] nats; S >= 3. Memory T K^3 for T triples."""
    if q1.shape[1] < 3:
        raise ValueError(f"q1 has {q1.shape[1]} segments; a triple needs 3")
    s, t, u = torch.combinations(torch.arange(q1.shape[1], device=q1.device), 3).T
    total = q1.new_zeros(())
    for a, b in ((q1, q2), (q2, q1)):
        joint = torch.einsum("nri,nrj,nrk->rijk", a[:, s], a[:, t], b[:, u]) / len(a)
        total = total + phi(joint).sum((1, 2, 3)).mean()
    return total / 2


def descend(
    labels: Int[Tensor, "n s"],
    units: int,
    *,
    third_weight: float,
    margin: float = 3.0,
    noise: float = 0.3,
    steps: int = 300,
    lr: float = 0.05,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Adam on free logits, both views alike, from a code of labels in 0..K-1; an entry a step, the start included.

    The logits start at `margin` times the one-hot code plus normal noise of that size. Entries: step, loss of the
    pairwise objective with its weights 1 (without third order), third, total_correlation of the hard codes (nats).
    """
    generator = torch.Generator().manual_seed(seed)
    s = labels.shape[1]
    z = margin * torch.nn.functional.one_hot(labels, units).double().flatten(1)
    z = (z + noise * torch.randn(z.shape, generator=generator, dtype=torch.float64)).requires_grad_()
    loss_of, trace = MusicLoss(s), []
    optimiser = torch.optim.Adam([z], lr=lr)
    for step in range(steps + 1):
        q = segment_softmax(z, s)
        pairwise, third = loss_of(z, z), third_order_term(q, q)
        trace.append(
            {
                "step": step,
                "loss": pairwise.item(),
                "third": third.item(),
                "total_correlation": total_correlation(hard_codes(q.detach())),
            }
        )
        optimiser.zero_grad()
        (pairwise + third_weight * third).backward()
        optimiser.step()
    return trace


def modular_triple(units: int, copies: int) -> Int[Tensor, "n 3"]:
    """(a, b, a + b mod K) for all a and b, each row `copies` times: N = copies K^2. With K copies or more a code of
    three independent segments exists for as many samples."""
    a, b = (grid.flatten() for grid in torch.meshgrid(torch.arange(units), torch.arange(units), indexing="ij"))
    return torch.stack([a, b, (a + b) % units], dim=1).repeat(copies, 1)


class ThirdOrderMusic(Music):
    """MUSIC plus `third_weight` times `third_order_term` of its soft codes."""

    third_weight = 1.0

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        z1, z2 = self.embed(x1, x2)
        o = self.options
        terms = self.objective.terms(z1, z2)
        third = third_order_term(*(segment_softmax(z, o.segments, o.temperature) for z in (z1, z2)))
        loss = self.objective.combine(terms) + self.third_weight * third
        logged = {name: value.detach() for name, value in {**terms._asdict(), "third": third}.items()}
        return Output(loss, logged, z1.detach(), z2.detach())


def trained(config: TrainConfig, images: ImageSet, third_weight: float) -> tuple[ThirdOrderMusic, list[dict]]:
    """MUSIC of a configuration, trained with a third-order term from the weights, order and views that a run of that
    configuration has, and its curve. Nothing is kept on disk, and nothing is resumed."""
    steps = len(images) // config.batch * config.epochs
    device = torch.device("cpu")
    with local_randomness(config.seed, device):
        options = build(MusicOptions, config.options, "options of music")
        method = ThirdOrderMusic(
            build_encoder(config.encoder, images.channels), options, samples=len(images), steps=steps
        )
    method.third_weight = third_weight
    method.encoder.to(memory_format=torch.channels_last)
    optimiser = build_optimiser(config.optimiser, method, lr=config.peak_lr(), weight_decay=config.weight_decay)
    training = Training(
        config, method, optimiser, images.images, view_configs(config), device, health=health_of(method),
        checkpoint_seconds=float("inf"),
    )  # fmt: skip
    train(training)
    return method.eval(), training.state.curve
