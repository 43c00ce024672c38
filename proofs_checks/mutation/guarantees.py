"""What `musiclib` guarantees, the line that does it, and what goes red when that line is taken away.

`tests/test_guarantees.py` takes every guarantee of `GUARANTEES` away, one at a time, and asserts that the named test
and the named check go red. The processes of a two-process test import the library anew, so those of
`BETWEEN_PROCESSES` are taken away in a copy of the sources, by `python -m proofs_checks.mutation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Guarantee:
    """`line` of `function` upholds it; with `instead` in its place `test` fails, and so does the check of that name.

    test: file::function of tests/, called with `given` (and a fresh generator where it takes one).
    """

    name: str
    function: str
    line: str
    instead: str
    test: str
    given: dict[str, Any] = field(default_factory=dict)
    check: str | None = None

    @property
    def file(self) -> str:
        """The file of the function, relative to the repository."""
        return "/".join(self.function.split(".")[:2]) + ".py"

    def remove_from(self, source: str) -> str:
        """The source with `instead` in place of the line, which must occur in it once."""
        if source.count(self.line) != 1:
            raise LookupError(f"{self.name}: {self.line!r} must occur once in {self.function}")
        return source.replace(self.line, self.instead)


LOOPS = "test_objective.py::test_terms_equal_the_loops"
SIZES = {"n": 7, "segments": 3, "d": 12, "temperature": 0.4}
STREAM = "test_streaming.py::test_value_and_both_gradients_equal_the_dense_form"
TILES = {"n": 9, "s": 7, "k": 2, "tile": 5}

GUARANTEES = (
    # the coding -----------------------------------------------------------------------------------
    Guarantee(
        "normaliser: the units of a segment sum to one",
        "musiclib.coding.segment_softmax",
        "torch.softmax(_segmented(z, segments, temperature), dim=-1)",
        "torch.sigmoid(_segmented(z, segments, temperature))",
        "test_coding.py::test_codes_are_a_softmax_in_every_segment",
        check="codes_are_distributions_over_the_units_of_a_segment",
    ),
    Guarantee(
        "a segment is a run of neighbouring units",
        "musiclib.coding._segmented",
        "wide.view(z.shape[0], segments, -1)",
        "wide.view(z.shape[0], -1, segments).mT",
        "test_coding.py::test_a_segment_is_a_run_of_neighbouring_units",
    ),
    Guarantee(
        "the temperature divides the logits",
        "musiclib.coding._segmented",
        ".view(z.shape[0], segments, -1) / temperature",
        ".view(z.shape[0], segments, -1)",
        LOOPS,
        SIZES,
        check="finite_logits_stay_above_the_bound",
    ),
    Guarantee(
        "half precision is widened before the softmax",
        "musiclib.coding._segmented",
        "else z.float()",
        "else z",
        "test_coding.py::test_codes_are_float32_at_least",
        {"dtype": "bfloat16"},
    ),
    # the joint ------------------------------------------------------------------------------------
    Guarantee(
        "normaliser: the joint is a mean over samples",
        "musiclib.joint.joint_distribution",
        " / q1.shape[0]",
        "",
        "test_joint.py::test_every_block_is_the_mean_outer_product",
        check="the_joint_of_a_batch_is_counted",
    ),
    Guarantee(
        "samples are paired across the views",
        "musiclib.joint.joint_distribution",
        "@ q2.reshape(-1, s * k)",
        "@ q2.reshape(-1, s * k).roll(1, 0)",
        "test_joint.py::test_every_block_is_the_mean_outer_product",
        check="the_joint_of_a_batch_is_counted",
    ),
    Guarantee(
        "the joint is computed in float32 whatever autocast says",
        "musiclib.joint.joint_distribution",
        "enabled=False",
        "enabled=True, dtype=torch.bfloat16",
        "test_joint.py::test_the_joint_is_float32_under_autocast_and_for_half_precision",
    ),
    Guarantee(
        "gather: few samples, the codes of all processes",
        "musiclib.joint.joint_distribution",
        "gather_batch(q1), gather_batch(q2)",
        "q1, q2",
        "test_joint.py::test_with_two_processes_the_smaller_object_travels",
        {"samples": 2, "travels": ["codes", "codes"]},
    ),
    Guarantee(
        "gather: many samples, the mean of all processes' joints",
        "musiclib.joint.joint_distribution",
        "mean_over_processes(flat)",
        "flat",
        "test_joint.py::test_with_two_processes_the_smaller_object_travels",
        {"samples": 4, "travels": ["joint"]},
    ),
    # the terms ------------------------------------------------------------------------------------
    Guarantee(
        "mask: blocks of a segment with itself are in no off-diagonal term",
        "musiclib.objective._off_diagonal",
        "(block.sum() - block.diagonal().sum())",
        "block.sum()",
        LOOPS,
        SIZES,
        check="orthogonal_arrays_attain_the_bound",
    ),
    Guarantee(
        "normaliser: the off-diagonal term is a mean over S (S - 1) pairs",
        "musiclib.objective._off_diagonal",
        "(s * (s - 1))",
        "(s * s)",
        LOOPS,
        SIZES,
        check="orthogonal_arrays_attain_the_bound",
    ),
    Guarantee(
        "normaliser: the diagonal term is a mean over segments",
        "musiclib.objective._diagonal",
        ".sum(dim=1).mean()",
        ".sum()",
        LOOPS,
        SIZES,
        check="no_code_lies_below_three_log_k",
    ),
    Guarantee(
        "sign: the diagonal term rewards even use of the units",
        "musiclib.objective._diagonal",
        "return phi(",
        "return -phi(",
        "test_objective.py::test_an_orthogonal_array_attains_the_bound_in_every_term",
        check="no_code_lies_below_three_log_k",
    ),
    Guarantee(
        "sign: the off-diagonal term rewards independence",
        "musiclib.objective._off_diagonal",
        "return (block.sum()",
        "return -(block.sum()",
        "test_objective.py::test_an_orthogonal_array_attains_the_bound_in_every_term",
        check="orthogonal_arrays_attain_the_bound",
    ),
    Guarantee(
        "sign: the invariance term punishes disagreement",
        "musiclib.objective.music_terms",
        "-torch.logsumexp",
        "torch.logsumexp",
        LOOPS,
        SIZES,
        check="disagreement_is_felt_at_any_distance",
    ),
    Guarantee(
        "log domain: the agreement of logits is felt where codes underflow",
        "musiclib.objective.music_terms",
        "-torch.logsumexp(log_q1 + log_q2, dim=-1).mean()",
        "-(q1 * q2).sum(dim=-1).log().mean()",
        "test_objective.py::test_logits_reach_where_codes_have_underflowed",
        check="disagreement_is_felt_at_any_distance",
    ),
    Guarantee(
        "log domain: an empty cell has the value zero and a finite slope",
        "musiclib.objective.phi",
        "torch.log(p.clamp_min(torch.finfo(p.dtype).tiny))",
        "torch.log(p)",
        "test_objective.py::test_an_empty_cell_costs_nothing_and_has_a_finite_slope",
        check="p_log_p_has_a_finite_gradient_at_zero",
    ),
    Guarantee(
        "gradient: both views receive theirs",
        "musiclib.objective.music_terms",
        "log_q1.exp(), log_q2.exp()",
        "log_q1.exp(), log_q2.exp().detach()",
        "test_objective.py::test_both_views_receive_mirror_image_gradients",
        check="equal_views_receive_equal_gradients",
    ),
    Guarantee(
        "a term of weight zero is left out, even an infinite one",
        "musiclib.objective.MusicLoss.combine",
        " if weight != 0]",
        "]",
        "test_objective.py::test_a_weight_of_zero_silences_an_infinite_term",
    ),
    Guarantee(
        "logits that are not finite are refused",
        "musiclib.objective.music_terms",
        "require_finite(z1=z1, z2=z2)",
        "pass",
        "test_objective.py::test_logits_that_are_not_finite_are_an_error_and_not_a_nan",
        {"bad": float("nan"), "view": 0},
    ),
    Guarantee(
        "codes that are no distributions are refused",
        "musiclib.objective.code_terms",
        "if not bool((q.detach() >= 0).all() & ((mass - 1).abs() <= tolerance).all()):",
        "if False:",
        "test_objective.py::test_codes_must_be_distributions",
    ),
    Guarantee(
        "the bound for two units is the lower one where disagreement pays",
        "musiclib.objective.lower_bound",
        "if units != 2 or c >=",
        "if True or c >=",
        "test_objective.py::test_the_bound_for_two_units_is_the_minimum_over_all_agreements",
        {"weight": 0.05, "diagonal": 1.0},
    ),
    # the streaming form ---------------------------------------------------------------------------
    Guarantee(
        "mask: blocks of a segment with itself, tile by tile",
        "musiclib.streaming._tiles",
        "G[(t - r0) * k : (t - r0 + 1) * k, (t - c0) * k : (t - c0 + 1) * k] = 0",
        "pass",
        STREAM,
        TILES,
    ),
    Guarantee(
        "normaliser: tiles are means over samples",
        "musiclib.streaming._tiles",
        "flat1[:, rows].T / n",
        "flat1[:, rows].T",
        STREAM,
        TILES,
    ),
    Guarantee(
        "log domain: empty cells of a tile",
        "musiclib.streaming._tiles",
        "torch.clamp_min(P, tiny, out=G).log_()",
        "torch.log(P, out=G)",
        "test_streaming.py::test_empty_cells_have_finite_gradients",
    ),
    Guarantee(
        "gradient: that of the second view",
        "musiclib.streaming._StreamedOffDiagonal.backward",
        "return grad * grad1, grad * grad2, None",
        "return grad * grad1, torch.zeros_like(grad2), None",
        STREAM,
        TILES,
    ),
    Guarantee(
        "gradient: the + 1 of (p log p)' = log p + 1",
        "musiclib.streaming._tiles",
        "+ ((mass2.sum(dim=1, keepdim=True) - mass2) * (share / n)).unsqueeze(-1)",
        "",
        STREAM,
        TILES,
    ),
    Guarantee(
        "memory: whole segments, but no more than a tile",
        "musiclib.streaming._spans",
        "max(1, tile // units)",
        "segments",
        "test_streaming.py::test_streaming_never_allocates_the_joint",
    ),
    # information ----------------------------------------------------------------------------------
    Guarantee(
        "total correlation compares with the joint of all segments",
        "musiclib.information.total_correlation",
        "return separate - float(entropy(counts.double() / len(codes)))",
        "return separate",
        "test_information.py::test_total_correlation_sees_the_triple_that_no_pair_shows",
    ),
    Guarantee(
        "exact expectation: a finite batch, not the limit",
        "musiclib.information.expected_uniform_entropy",
        "math.log(samples) - cells / samples * float(np.sum(law * xlogy(k, k)))",
        "math.log(cells) - (cells - 1) / (2 * samples)",
        "test_information.py::test_expected_entropy_is_the_mean_over_all_outcomes",
        {"samples": 5, "cells": 3},
    ),
)

CASES = "test_distributed.py::test_loss_gradient_and_running_statistics_are_those_of_one_process"
JOINT = "test_distributed.py::test_the_joint_is_that_of_the_global_batch"
BETWEEN_PROCESSES = (
    Guarantee(
        "gather: the streaming form sees the codes of all processes",
        "musiclib.streaming.streamed_off_diagonal",
        "gather_batch(q1), gather_batch(q2)",
        "q1, q2",
        CASES + "[streaming]",
    ),
    Guarantee(
        "gather: the gradient reaches the process that owns the rows",
        "musiclib.distributed._Gather.backward",
        "        dist.all_reduce(grad)\n        return grad[rank()",
        "        return grad[rank()",
        CASES + "[codes gathered]",
    ),
    Guarantee(
        "gather: agreement of the global batch",
        "musiclib.joint.agreement",
        "mean_over_processes((q1 * q2).mean(dim=0))",
        "(q1 * q2).mean(dim=0)",
        CASES + "[joint averaged]",
    ),
    Guarantee(
        "gather: invariance of the global batch, from logits",
        "musiclib.objective.music_terms",
        "mean_over_processes(-torch.logsumexp(log_q1 + log_q2, dim=-1).mean())",
        "-torch.logsumexp(log_q1 + log_q2, dim=-1).mean()",
        CASES + "[joint averaged]",
    ),
    Guarantee(
        "gather: invariance of the global batch, from codes",
        "musiclib.objective.code_terms",
        "mean_over_processes(-agree.log().mean())",
        "-agree.log().mean()",
        JOINT,
    ),
    Guarantee(
        "normaliser: parameters get the mean of the processes' gradients",
        "musiclib.distributed.average_gradients",
        "    flat /= world_size()\n",
        "",
        CASES + "[joint averaged]",
    ),
)
