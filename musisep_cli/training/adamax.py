"""AdaMax, with one norm per instrument for the dictionary (paper, Section 3.5)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class AdaMax:
    """AdaMax (Kingma and Ba, 2015, Algorithm 2), as a plain object over a list of tensors.

        m <- beta_1 m + (1 - beta_1) g
        u <- max(beta_2 u, |g|)
        p <- p - lr / (1 - beta_1^t) m / (u + eps)

    With ``shared_dim`` the norm u is shared along that dimension (the maximum of |g| over it): all
    harmonics of an instrument then keep the proportions of their gradient, so a harmonic with a
    faint gradient is not moved as far as a strong one. torch.optim.Adamax has no such norm.

    Args:
        parameters: leaves that require a gradient.
        lr: step size.
        betas: decay of the mean and of the norm.
        eps: added to the norm.
        shared_dim: dimension along which the norm is shared, or none.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        shared_dim: int | None = None,
    ) -> None:
        self.parameters = list(parameters)
        self.lr, self.betas, self.eps, self.shared_dim = lr, betas, eps, shared_dim
        self.n_steps = 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.norms = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, gradients: Iterable[Tensor], rate: float = 1.0) -> None:
        """One step against ``gradients``, one per parameter, of ``rate`` times the step size."""
        self.n_steps += 1
        beta_1, beta_2 = self.betas
        step_size = rate * self.lr / (1 - beta_1**self.n_steps)
        for parameter, gradient, mean, norm in zip(
            self.parameters, gradients, self.means, self.norms, strict=True
        ):
            size = gradient.abs()
            if self.shared_dim is not None:
                size = size.amax(self.shared_dim, keepdim=True).expand_as(gradient)
            mean.lerp_(gradient, 1 - beta_1)
            torch.maximum(norm.mul_(beta_2), size, out=norm)
            parameter.addcdiv_(mean, norm + self.eps, value=-step_size)

    def state_dict(self) -> dict[str, int | list[Tensor]]:
        """Everything that changes from step to step."""
        return {"n_steps": self.n_steps, "means": self.means, "norms": self.norms}

    def load_state_dict(self, state: dict[str, int | list[Tensor]]) -> None:
        """Take the state of ``state_dict`` up again, in place."""
        n_steps, means, norms = state["n_steps"], state["means"], state["norms"]
        if not (isinstance(n_steps, int) and isinstance(means, list) and isinstance(norms, list)):
            raise ValueError("not a state of AdaMax")
        self.n_steps = n_steps
        for own, given in zip([*self.means, *self.norms], [*means, *norms], strict=True):
            own.copy_(given)
