"""The streaming form: the same numbers without the joint."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from musiclib import MusicLoss, code_terms, joint_distribution, music_terms, segment_softmax
from musiclib.objective import phi
from musiclib.streaming import _spans, streamed_off_diagonal


def dense(q1, q2):
    """By indexing every off-diagonal block of the joint, one after the other."""
    P = joint_distribution(q1, q2)
    s = len(P)
    return sum(phi(P[a, b]).sum() for a in range(s) for b in range(s) if a != b) / (s * (s - 1))


@pytest.mark.parametrize("tile", [1, 3, 5, 8, 100, None])
@pytest.mark.parametrize(("n", "s", "k"), [(5, 4, 3), (1, 2, 2), (9, 7, 2), (4, 2, 5)])
def test_value_and_both_gradients_equal_the_dense_form(generator, n, s, k, tile):
    q1, q2 = (
        segment_softmax(2 * torch.randn(n, s * k, generator=generator, dtype=torch.float64), s).requires_grad_()
        for _ in range(2)
    )
    expected, actual = dense(q1, q2), streamed_off_diagonal(q1, q2, tile)
    torch.testing.assert_close(actual, expected, rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(
        torch.autograd.grad(3 * actual, (q1, q2)), torch.autograd.grad(3 * expected, (q1, q2)), rtol=1e-13, atol=1e-15
    )


def test_codes_off_the_simplex_have_the_right_gradient_too(generator):
    """The '+ 1' in the derivative is not killed by a softmax here: it has to be there."""
    q1, q2 = (torch.rand(3, 3, 2, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: streamed_off_diagonal(a, b, 2), (q1, q2))


@pytest.mark.parametrize("tile", [1, 4, None])
def test_the_gradient_can_be_differentiated(generator, tile):
    """Against differences of the gradient, off the simplex, where nothing cancels; and it is the gradient itself."""
    q1, q2 = (torch.rand(3, 3, 2, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    kept, followed = (
        torch.autograd.grad(streamed_off_diagonal(q1, q2, tile), (q1, q2), create_graph=again)
        for again in (False, True)
    )
    torch.testing.assert_close(followed, kept, rtol=1e-13, atol=1e-15)
    assert torch.autograd.gradgradcheck(lambda a, b: streamed_off_diagonal(a, b, tile), (q1, q2))


def plain_loss(z1, z2, s):
    """The three terms with unit weights, one block of the joint after the other, by nothing but softmax and log."""
    q1, q2 = (z.view(len(z), s, -1).softmax(-1) for z in (z1, z2))
    block = [[q1[:, a].T @ q2[:, b] / len(z1) for b in range(s)] for a in range(s)]
    own = sum((p * p.log()).sum() for p in (block[a][a].diagonal() for a in range(s))) / s
    others = [block[a][b] for a in range(s) for b in range(s) if a != b]
    return own + sum((p * p.log()).sum() for p in others) / len(others) - (q1 * q2).sum(-1).log().mean()


@pytest.mark.parametrize(
    ("n", "s", "k", "tile"),
    [(6, 4, 3, None), (6, 4, 3, 1), (6, 4, 3, 5), (6, 4, 3, 100), (3, 33, 32, None)],
    ids=["dense", "one segment a tile", "tiles", "one tile", "large, streamed by its size"],
)
def test_first_to_third_derivatives_are_those_of_the_plain_formula(generator, n, s, k, tile):
    """Along a direction v: the gradient, H v and the derivative of <v, H v>."""
    z1, z2, v1, v2 = torch.randn(4, n, s * k, generator=generator, dtype=torch.float64)

    def derivatives(loss_of):
        z = (z1.clone().requires_grad_(), z2.clone().requires_grad_())
        first = torch.autograd.grad(loss_of(*z), z, create_graph=True)
        second = torch.autograd.grad(first, z, (v1, v2), create_graph=True)
        return [*first, *second, *torch.autograd.grad(second, z, (v1, v2))]

    expected = derivatives(lambda a, b: plain_loss(a, b, s))
    assert all(x.abs().max() > 1e-6 for x in expected)
    torch.testing.assert_close(derivatives(MusicLoss(s, tile=tile)), expected, rtol=1e-9, atol=1e-13)


def test_empty_cells_have_finite_gradients():
    q = torch.eye(3).view(3, 1, 3).repeat(1, 2, 1).requires_grad_()
    value = streamed_off_diagonal(q, q, 2)
    (gradient,) = torch.autograd.grad(value, q)
    assert torch.isfinite(gradient).all()


def test_no_gradient_wanted_no_gradient_made(generator):
    q = segment_softmax(torch.randn(4, 6, generator=generator), 3)
    assert streamed_off_diagonal(q, q).grad_fn is None


def test_tiles_cover_all_segments_once_and_hold_whole_segments():
    for segments, units, tile in [(7, 3, 10), (7, 3, 1), (102, 80, 1024), (2, 2, 4)]:
        spans = _spans(segments, units, tile)
        assert [i for a, b in spans for i in range(a, b)] == list(range(segments))
        assert all((b - a) * units <= max(tile, units) for a, b in spans)


def test_the_objective_streams_when_told_to_and_when_the_joint_is_large(generator, monkeypatch):
    """Told by each of the three doors; by size only above the limit, not at it."""
    calls = []
    import musiclib.objective as objective

    def streamed(q1, q2, tile, rows):
        calls.append(tile)
        return q1.sum() * 0

    monkeypatch.setattr(objective, "streamed_off_diagonal", streamed)
    z = torch.randn(2, 12, generator=generator)
    music_terms(z, z, 3)
    assert calls == []
    music_terms(z, z, 3, tile=4)
    code_terms(segment_softmax(z, 3), segment_softmax(z, 3), tile=5)
    MusicLoss(3, tile=6)(z, z)
    assert calls == [4, 5, 6]
    monkeypatch.setattr(objective, "DENSE_CELLS", 12**2)
    music_terms(z, z, 3)
    assert calls == [4, 5, 6]
    monkeypatch.setattr(objective, "DENSE_CELLS", 12**2 - 1)
    music_terms(z, z, 3)
    assert calls == [4, 5, 6, None]


class Allocated(TorchDispatchMode):
    """`largest`: the number of elements of the largest tensor that any operation makes, views of its inputs apart."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        before = {
            x.untyped_storage().data_ptr() for x in (*args, *(kwargs or {}).values()) if isinstance(x, torch.Tensor)
        }
        for x in out if isinstance(out, tuple) else (out,):
            if isinstance(x, torch.Tensor) and x.untyped_storage().data_ptr() not in before:
                self.largest = max(self.largest, x.numel())
        return out


def test_streaming_never_allocates_the_joint(generator):
    """D = 1200: the joint would be 1.44 million cells; nothing on the way is larger than two tiles or the codes."""
    n, s, k, tile = 4, 60, 20, 100
    q = segment_softmax(torch.randn(n, s * k, generator=generator), s).requires_grad_()
    with Allocated() as allocated:
        streamed_off_diagonal(q, q, tile).backward()
    assert 2 * tile * tile <= allocated.largest <= max(2 * tile * tile, n * s * k)


def test_without_a_gradient_nothing_of_the_size_of_the_codes_is_allocated(generator):
    n, s, k, tile = 50, 12, 4, 8
    q = segment_softmax(torch.randn(n, s * k, generator=generator), s)
    with Allocated() as allocated:
        streamed_off_diagonal(q, q, tile)
    assert 2 * tile * tile <= allocated.largest < n * s * k


@pytest.mark.parametrize(("shape", "tile", "says"), [((2, 1, 3), None, "S=1"), ((2, 2, 3), 0, "tile")])
def test_bad_input_is_refused_by_name(shape, tile, says):
    q = torch.full(shape, 1 / 3)
    with pytest.raises(ValueError, match=says):
        streamed_off_diagonal(q, q, tile)
