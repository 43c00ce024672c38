"""Wrong codings: the softmax, the temperature, the segments, and the way back of the gradient."""

import torch
from torch import Tensor

from proofs_checks.objective import Assembled, Objective


class SoftmaxOverD(Assembled):
    """One softmax over the whole vector."""

    def log_codes(self, z: Tensor, segments: int, temperature: float) -> Tensor:
        return torch.log_softmax(z / temperature, dim=-1).reshape(len(z), segments, -1)


class SoftmaxNoShift(Assembled):
    """Exponentials without subtracting the largest logit: overflows."""

    def log_codes(self, z: Tensor, segments: int, temperature: float) -> Tensor:
        powers = (z.reshape(len(z), segments, -1) / temperature).exp()
        return (powers / powers.sum(-1, keepdim=True)).log()


class TemperatureIgnored(Assembled):
    """Temperature one, whatever it is."""

    def log_codes(self, z: Tensor, segments: int, temperature: float) -> Tensor:
        return super().log_codes(z, segments, 1.0)


class TemperatureInverted(Assembled):
    """Multiplies by the temperature."""

    def log_codes(self, z: Tensor, segments: int, temperature: float) -> Tensor:
        return super().log_codes(z, segments, 1 / temperature)


class SegmentsUnitsSwapped(Assembled):
    """Reads (N, K, S) where (N, S, K) is written."""

    def log_codes(self, z: Tensor, segments: int, temperature: float) -> Tensor:
        return torch.log_softmax(z.reshape(len(z), -1, segments).transpose(1, 2) / temperature, dim=-1)


class StopGradient(Assembled):
    """The second view is a constant."""

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        return super().logit_loss(z1, z2.detach(), segments, temperature, lam)


class ViewSharpened(Assembled):
    """The second view has half the temperature: an asymmetric twin."""

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        return super().logit_loss(z1, 2 * z2, segments, temperature, lam)


class GradientBypassesSoftmax(Assembled):
    """The softmax in value, the identity in gradient."""

    def log_codes(self, z: Tensor, segments: int, temperature: float) -> Tensor:
        value = super().log_codes(z, segments, temperature)
        return z.reshape(value.shape) + (value - z.reshape(value.shape)).detach()

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        value = torch.softmax(z.reshape(len(z), segments, -1) / temperature, dim=-1)
        return z.reshape(value.shape) + (value - z.reshape(value.shape)).detach()


class GradientDoubled(Assembled):
    """The loss in value, twice its gradient: a sum over two processes where their mean belongs."""

    def logit_loss(self, z1: Tensor, z2: Tensor, segments: int, temperature: float = 1.0, lam: float = 1.0) -> Tensor:
        loss = super().logit_loss(z1, z2, segments, temperature, lam)
        return 2 * loss - loss.detach()


class StraightThrough(Assembled):
    """One-hot codes in value, soft codes in gradient."""

    def codes(self, z: Tensor, segments: int, temperature: float = 1.0) -> Tensor:
        soft = super().codes(z, segments, temperature)
        hard = torch.nn.functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
        return soft + (hard - soft).detach()


MUTANTS: dict[str, type[Objective]] = {
    "softmax_over_D": SoftmaxOverD,
    "softmax_no_shift": SoftmaxNoShift,
    "temperature_ignored": TemperatureIgnored,
    "temperature_inverted": TemperatureInverted,
    "segments_units_swapped": SegmentsUnitsSwapped,
    "stop_gradient": StopGradient,
    "view_sharpened": ViewSharpened,
    "gradient_bypasses_softmax": GradientBypassesSoftmax,
    "gradient_doubled": GradientDoubled,
    "straight_through": StraightThrough,
}
