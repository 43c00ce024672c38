"""What segments have to do with known factors of the images: mutual informations, their null, and what follows.

A code here is hard: labels (N, S), one of K units a segment. Factors are labels, too: name -> (N,). All measures
start from one matrix, I(segment; factor), and say only what that matrix can say:

- They see the factors that were written down, no others. A segment that follows an attribute nobody listed looks
  empty, and two factors merged into one segment look like two weak findings.
- They see one segment at a time. Two segments that hold a factor as their sum modulo K have no information on it
  each (and all of it together): see `musiclib.evaluate.disentanglement.readability` for what all segments hold.
- The mutual information gap asks that *one* segment holds a factor. With many more segments than factors it falls as
  soon as two of them hold the same, however clean each is; with high-dimensional representations the common
  measures of disentanglement stop being comparable (Cao et al. 2022, arXiv 2206.04756, who look for a well-behaved
  subset of the dimensions, as `assignment` does for segments).
- No measure of this kind sees meaning: a permutation of samples among codewords leaves the loss of MUSIC as it is
  (theory C14, C32), and would send every number here to its null.

Entropies are Miller-Madow estimates in nats (`musiclib.information`), so that independent labels read 0 on average
and a share can be slightly negative or, by the same noise, slightly above 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from scipy.optimize import linear_sum_assignment
from torch import Tensor

HALF = 0.5  # a factor is found when its segment holds more than half of its entropy: more is known than is not


class _Table:
    """One-hot columns of M labellings of N samples, (N, D), and where each labelling starts."""

    def __init__(self, name: str, labels: Tensor) -> None:
        if labels.dim() != 2 or labels.is_floating_point() or 0 in labels.shape:
            raise ValueError(f"{name}: expected integer labels (N, M), got {labels.dtype} of {tuple(labels.shape)}")
        columns = [np.unique(column, return_inverse=True)[1] for column in labels.cpu().numpy().T]
        sizes = [int(column.max()) + 1 for column in columns]
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.places = np.stack(columns, axis=1) + self.starts  # (n, m)
        self.one_hot = np.zeros((len(labels), sum(sizes)), dtype=np.float32)  # counts stay exact below 2^24
        np.put_along_axis(self.one_hot, self.places, 1.0, axis=1)

    def entropy(self) -> np.ndarray:
        return _entropies(self.one_hot.sum(0)[:, None], self.starts, np.array([0]))[:, 0]


def _entropies(counts: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Miller-Madow entropy of every block of a table of counts whose blocks start at `rows` and `columns`."""

    def over_blocks(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)

    counts = counts.astype(np.float64)
    n = over_blocks(counts)
    plug_in = np.log(n) - over_blocks(counts * np.log(np.maximum(counts, 1.0))) / n
    return plug_in + (over_blocks((counts > 0).astype(np.float64)) - 1) / (2 * n)


def label_entropies(labels: Int[Tensor, "n m"]) -> Float[Tensor, "m"]:
    """Miller-Madow entropy of every column, in nats; 0 for a column with one value."""
    return torch.from_numpy(_Table("labels", labels).entropy())


def information_matrix(a: Int[Tensor, "n s"], b: Int[Tensor, "n f"]) -> Float[Tensor, "s f"]:
    """Mutual information of every column of `a` with every column of `b`, in nats, bias-corrected.

    H(a) + H(b) - H(a, b) with Miller-Madow entropies; the correction lowers the plug-in value by (r - 1)(c - 1) / 2N
    where all cells of the r x c table occur. float64. Columns may hold any integers.
    """
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} samples and b {len(b)}: they have to be labels of the same samples")
    left, right = _Table("a", a), _Table("b", b)
    return torch.from_numpy(_information(left, right, left.entropy(), right.entropy()))


def _information(left: _Table, right: _Table, h_left: np.ndarray, h_right: np.ndarray) -> np.ndarray:
    joint = _entropies(left.one_hot.T @ right.one_hot, left.starts, right.starts)
    return h_left[:, None] + h_right[None, :] - joint


def _stacked(factors: Mapping[str, Tensor]) -> Tensor:
    if not factors:
        raise ValueError("factors: needs at least one")
    return torch.stack([values.long() for values in factors.values()], dim=1)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, 0 where the whole has no entropy."""
    return torch.where(whole > 1e-9, part / whole.clamp(min=1e-9), torch.zeros_like(part))


@dataclass(frozen=True)
class SegmentInformation:
    """I(segment; factor) in nats with the entropies that it is read against."""

    factors: tuple[str, ...]
    nats: Float[Tensor, "s f"]
    segment_entropy: Float[Tensor, "s"]
    factor_entropy: Float[Tensor, "f"]

    @property
    def of_factor(self) -> Float[Tensor, "s f"]:
        """How much of the factor the segment tells: I / H(factor), 1 if it determines it, 0 for a constant factor."""
        return _share(self.nats, self.factor_entropy[None, :])

    @property
    def of_segment(self) -> Float[Tensor, "s f"]:
        """How much of what the segment says is about the factor: I / H(segment), 1 if the factor determines the
        segment, 0 for a segment that always says the same."""
        return _share(self.nats, self.segment_entropy[:, None])


def segment_information(codes: Int[Tensor, "n s"], factors: Mapping[str, Int[Tensor, "n"]]) -> SegmentInformation:
    """The matrix of a code and known factors of the same N samples."""
    labels = _stacked(factors)
    return SegmentInformation(
        tuple(factors), information_matrix(codes, labels), label_entropies(codes), label_entropies(labels)
    )


def permutation_null(
    codes: Int[Tensor, "n s"], factors: Mapping[str, Int[Tensor, "n"]], generator: torch.Generator, draws: int = 100
) -> list[SegmentInformation]:
    """The same matrix with the samples of the code shuffled, `draws` times: what these measures read by chance.

    All segments are shuffled together, so that what segments share among themselves, and factors among themselves,
    stays; only the link between the two is cut. Any summary of the true matrix has its null by taking it of each.
    """
    if draws < 1:
        raise ValueError(f"draws={draws}: at least one")
    names, left, right = tuple(factors), _Table("codes", codes), _Table("factors", _stacked(factors))
    h_left, h_right = left.entropy(), right.entropy()
    found = []
    for _ in range(draws):
        left.one_hot = left.one_hot[torch.randperm(len(codes), generator=generator).numpy()]
        nats = _information(left, right, h_left, h_right)
        found.append(SegmentInformation(names, *map(torch.from_numpy, (nats, h_left, h_right))))
    return found


def assignment(matrix: Float[Tensor, "s f"]) -> Int64[Tensor, "f"]:
    """The one-to-one matching of segments to factors with the largest sum: for every factor its segment, -1 for a
    factor that is left over because there are fewer segments than factors."""
    rows, columns = linear_sum_assignment(matrix.numpy(), maximize=True)
    chosen = torch.full((matrix.shape[1],), -1, dtype=torch.int64)
    chosen[torch.from_numpy(columns)] = torch.from_numpy(rows)
    return chosen


def matched_shares(info: SegmentInformation) -> Float[Tensor, "f"]:
    """Share of every factor's entropy that its own segment tells, under the best `assignment`; 0 without a segment.

    1 throughout: every factor has a segment of its own that determines it. Says nothing of what else the segment
    holds (`purity` does), nor of the segments that were matched to nothing.
    """
    chosen = assignment(info.of_factor)
    shares = info.of_factor.gather(0, chosen.clamp(min=0)[None, :])[0]
    return torch.where(chosen >= 0, shares, torch.zeros_like(shares))


def information_gap(info: SegmentInformation) -> Float[Tensor, "f"]:
    """Mutual information gap of every factor (Chen et al. 2018, arXiv 1802.04942): share of its entropy in the segment
    that tells most of it minus that in the second; the mean over factors is the MIG.

    1: one segment determines the factor and no other knows of it. 0: none knows, or two know equally well. One
    segment: its share itself.
    """
    top = info.of_factor.topk(min(2, len(info.of_factor)), dim=0).values
    return top[0] - top[1] if len(top) == 2 else top[0]


def purity(info: SegmentInformation) -> Float[Tensor, "s"]:
    """How far each segment stands for *one* factor: the largest share of its entropy that a single factor explains.

    1: the segment is a function of one factor. A segment may be pure and coarse (hue in two halves), which this
    measure forgives and `matched_shares` does not. The maximum over factors favours the code, as its null shows.
    """
    return info.of_segment.max(dim=1).values


def redundancy(codes: Int[Tensor, "n s"]) -> Float[Tensor, "s s"]:
    """What pairs of segments share, as a share of the smaller entropy: 1 if one is a function of the other, 0 if they
    are independent (or one is constant). Symmetric; the diagonal is 1 where a segment says anything."""
    h = label_entropies(codes)
    nats = information_matrix(codes, codes)
    nats.diagonal().copy_(h)  # a table with itself has empty cells only off its diagonal: I = H, without correction
    return _share(nats, torch.minimum(h[:, None], h[None, :]))


def sharpness(q: Float[Tensor, "n s k"]) -> Float[Tensor, "s"]:
    """How discrete each segment's soft code is: 1 - mean over samples of H(code) / log K; 1 one-hot, 0 uniform."""
    if q.shape[2] < 2:
        raise ValueError("q: needs K >= 2 units, a code of one unit says nothing")
    return 1.0 - torch.special.entr(q.double()).sum(-1).mean(0) / math.log(q.shape[2])


def summary(codes: Int[Tensor, "n s"], factors: Mapping[str, Int[Tensor, "n"]]) -> dict[str, float]:
    """All of the above in single numbers: `summary_of` the matrix, and `redundancy`, the mean over pairs of different
    segments (0 for a single one)."""
    shared, s = redundancy(codes), codes.shape[1]
    pairs = (shared.sum() - shared.diagonal().sum()) / max(s * (s - 1), 1)
    return {**summary_of(segment_information(codes, factors)), "redundancy": float(pairs)}


def summary_of(info: SegmentInformation) -> dict[str, float]:
    """matched, mig: means over the factors that vary. purity: mean over segments. found: number of factors whose
    matched segment tells more than half of them. per_found: over the factors that some segment tells more than half
    of, the mean number of segments that do (1: none is held twice; 0 where there is none)."""
    varies = info.factor_entropy > 1e-9
    matched, gaps = matched_shares(info)[varies], information_gap(info)[varies]
    holders = (info.of_factor > HALF).sum(dim=0)
    held = holders[holders > 0]
    return {
        "matched": float(matched.mean()) if varies.any() else 0.0,
        "mig": float(gaps.mean()) if varies.any() else 0.0,
        "purity": float(purity(info).mean()),
        "found": float((matched > HALF).sum()),
        "per_found": float(held.double().mean()) if len(held) else 0.0,
    }
