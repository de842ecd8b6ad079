"""AdaMax, with one norm per instrument for the dictionary (paper, Section 3.5)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class AdaMax:
    """AdaMax (Kingma and Ba, 2015, Algorithm 2), as a plain object over a list of tensors.

        m <- beta_1 m + (1 - beta_1) g                                                          (1)
        u <- max(beta_2 u, |g|)                                                                 (2)
        p <- p - lr / (1 - beta_1^t) m / (u + eps)                                              (3)

    With ``shared_dim`` the norm u is shared along that dimension (the maximum of |g| over it): all
    harmonics of an instrument then keep the proportions of their gradient, so a harmonic with a
    faint gradient is not moved as far as a strong one. torch.optim.Adamax has no such norm.

    Args:
        parameters: p, tensors that require a gradient.
        lr: step size.
        betas: decays beta_1 of the mean and beta_2 of the norm.
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
        # On a GPU an operation goes over all tensors at once, for starting one per tensor would
        # take longer than the work. On a CPU all operations of a tensor follow each other, while
        # it is in the cache.
        self.n_together = 1 if all(p.is_cpu for p in self.parameters) else len(self.parameters)

    @torch.no_grad()
    def step(self, gradients: Iterable[Tensor], rate: float = 1.0) -> None:
        """Take a step against ``gradients``, one per parameter, of ``rate`` times the step size."""
        self.n_steps += 1
        beta_1, beta_2 = self.betas
        step_size = rate * self.lr / (1 - beta_1**self.n_steps)
        each = list(zip(self.parameters, gradients, self.means, self.norms, strict=True))
        for start in range(0, len(each), self.n_together):
            some = zip(*each[start : start + self.n_together], strict=True)
            parameters, together, means, norms = (list(column) for column in some)
            torch._foreach_lerp_(means, together, 1 - beta_1)  # (1)
            torch._foreach_mul_(norms, beta_2)
            torch._foreach_maximum_(norms, self._sizes(together))  # (2)
            bounds = torch._foreach_add(norms, self.eps)
            torch._foreach_addcdiv_(parameters, means, bounds, value=-step_size)  # (3)

    def _sizes(self, gradients: list[Tensor]) -> list[Tensor]:
        """Return |g|, or its maximum along the shared dimension."""
        sizes = list(torch._foreach_abs(gradients))
        if self.shared_dim is None:
            return sizes
        return [size.amax(self.shared_dim, keepdim=True).expand_as(size) for size in sizes]

    def state_dict(self) -> dict[str, int | list[Tensor]]:
        """Return everything that changes from step to step."""
        return {"n_steps": self.n_steps, "means": self.means, "norms": self.norms}

    def load_state_dict(self, state: dict[str, int | list[Tensor]]) -> None:
        """Take the state of ``state_dict`` up again, in place."""
        n_steps, means, norms = state["n_steps"], state["means"], state["norms"]
        if not (isinstance(n_steps, int) and isinstance(means, list) and isinstance(norms, list)):
            raise ValueError("not a state of AdaMax")
        self.n_steps = n_steps
        for own, given in zip([*self.means, *self.norms], [*means, *norms], strict=True):
            own.copy_(given)
