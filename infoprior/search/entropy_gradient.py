r"""The entropy of decisions: a functional in closed form, and a layer that trains on it alone.

A unit with activation z decides "yes" with probability D = σ(z) = 1 / (1 + e^-z), so that
z = ln(D / (1 − D)). The source document defines

    H = −(1 / ln 2) ∫ z dD

and leaves the limits open. From 0 to D the integral is improper (z → −∞) and converges:

    ∫₀ᴰ ln(u / (1 − u)) du = [u ln u + (1 − u) ln(1 − u)]₀ᴰ = D ln D + (1 − D) ln(1 − D),

since d/du [u ln u + (1 − u) ln(1 − u)] = ln u − ln(1 − u), and u ln u → 0 for u → 0. So with the
lower limit 0, where H(D = 0) = 0, H *is* the binary entropy of D in bits; any other lower limit
adds a constant and leaves gradients alone. With ln D = z − softplus(z) and ln(1 − D) = −softplus(z)

    H(z) = (softplus(z) − z σ(z)) / ln 2,        dH/dz = −z D (1 − D) / ln 2.

For large z the two terms of H cancel. H is even, and for −|z| both are positive,

    H(z) = (ln(1 + e) + |z| e / (1 + e)) / ln 2,        e = exp(−|z|),

so this is what is computed: relative accuracy is kept until e underflows.

The gradient points towards z = 0, where H is at its maximum of one bit, so a descent of H moves
every z away from 0, in proportion to z D (1 − D): decisions become sharper whichever way they
lean, and no label has a part in it. A unit at z = 0 exactly has no gradient and stays there.

With z_i = Σ_j (w_ij + G_ij) x_j + b_i the gradients are dH/dz_i · x_j for w_ij and for G_ij alike,
and dH/dz_i for b_i.

Cover & Thomas, "Elements of Information Theory", 2nd edition, section 2.1 (binary entropy);
Grandvalet & Bengio, "Semi-supervised Learning by Entropy Minimization", NIPS 2004 (H as a
regulariser beside cross-entropy).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, instance_of, real_number, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.training._loop import row_order


class EntropyError(ValueError):
    """Layers, rows or settings that no entropy can be minimised with, and why."""


_LARGEST = 1000.0  # exp(-1000) is 0 in float64 too; keeps 0 * inf from becoming NaN


def decision_entropy(z: Tensor) -> Tensor:
    """Binary entropy of σ(z), in bits: the functional H in closed form.

    >>> import torch
    >>> decision_entropy(torch.tensor([0.0, 1.0986, float("inf")]))
    tensor([1.0000, 0.8113, 0.0000])

    Args:
        z: activations, any shape, float32 or float64. Infinite ones have entropy 0, NaN stays NaN.

    Returns:
        shape and dtype of z, in [0, 1]. Its gradient is `entropy_slope`, to any order.
    """
    return _DecisionEntropy.apply(z)  # type: ignore[no-any-return]


def entropy_slope(z: Tensor) -> Tensor:
    """dH/dz = −z D (1 − D) / ln 2, in bits.

    Args:
        z: activations, any shape, float32 or float64.

    Returns:
        shape and dtype of z; 0 where z is 0 or infinite, NaN where it is NaN.
    """
    z = z.clamp(-_LARGEST, _LARGEST)
    # D (1 - D) as a product of two sigmoids: 1 - D would round to 0 for z above 17 in float32.
    return -z * torch.sigmoid(z) * torch.sigmoid(-z) / math.log(2.0)


class _DecisionEntropy(torch.autograd.Function):
    """H(z) with the document's gradient in place of autograd's, which has a kink at |z| = 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        size = z.abs().clamp(max=_LARGEST)
        e = torch.exp(-size)
        return (torch.log1p(e) + size * e / (1.0 + e)) / math.log(2.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grads[0] * entropy_slope(z)


class EntropyGradients(NamedTuple):
    """Gradients of the mean over rows of Σ_i H(z_i), in bits."""

    w: Tensor
    """∂H/∂w, shape (n_out, n_in)."""
    G: Tensor
    """∂H/∂G, shape (n_out, n_in): equal to that of w, and the same tensor."""
    b: Tensor
    """∂H/∂b, shape (n_out,)."""


def entropy_gradients(x: Tensor, z: Tensor) -> EntropyGradients:
    """The document's gradients with respect to w, G and b of one layer, without autograd.

    The document gives them for one row; here they are the mean over rows, and the entropies of a
    layer's units are summed, so that each unit's gradient is its own.

    Args:
        x: inputs of the layer, shape (n, n_in).
        z: its activations (w + G) x + b, shape (n, n_out), of the same dtype.

    Returns:
        ∂H/∂w, ∂H/∂G and ∂H/∂b.
    """
    slope = entropy_slope(z) / len(z)
    weight = slope.T @ x
    return EntropyGradients(weight, weight, slope.sum(0))


class EntropyLinear(nn.Module):
    """The document's layer: activations z = (w + G) x + b.

    The document leaves open how w and G begin. Here w and b are drawn as those of `nn.Linear` are,
    and G is 0, so that the layer begins as an ordinary one.

    w and G are redundant: z depends on their sum alone, and so do their equal gradients. Descent
    with the step sizes η_w and η_G moves w + G as one matrix with the step size η_w + η_G would
    move, and leaves η_G w − η_w G as it was. The second matrix adds no degree of freedom, it adds
    to the step size (the document's single η makes it 2 η for w + G beside η for b).

    Args:
        n_in: number of inputs.
        n_out: number of units.
        seed: draws w and b.
        dtype: of the parameters, torch.float32 or torch.float64.

    Attributes:
        w: shape (n_out, n_in).
        G: shape (n_out, n_in).
        b: shape (n_out,).

    Raises:
        EntropyError: (a ValueError) an argument is invalid, and is named.
    """

    @default_settings()
    def __init__(
        self, n_in: int, n_out: int, *, seed: int = 0, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        n_in = whole_number(n_in, "n_in", 1, EntropyError)
        n_out = whole_number(n_out, "n_out", 1, EntropyError)
        generator = torch.Generator().manual_seed(check_seed(seed, EntropyError))
        if dtype not in (torch.float32, torch.float64):
            raise EntropyError(f"dtype is {dtype!r}; give torch.float32 or torch.float64.")

        def drawn(*shape: int) -> nn.Parameter:
            uniform = torch.rand(shape, generator=generator, dtype=dtype)
            return nn.Parameter((2.0 * uniform - 1.0) / math.sqrt(n_in))

        self.w, self.b = drawn(n_out, n_in), drawn(n_out)
        self.G = nn.Parameter(torch.zeros_like(self.w.detach()))

    def forward(self, x: Tensor) -> Tensor:
        """Activations z, shape (..., n_out), of x, shape (..., n_in)."""
        return functional.linear(x, self.w + self.G, self.b)

    @torch.no_grad()
    def folded(self) -> nn.Linear:
        """An ordinary layer of the weights w + G that computes the same."""
        n_out, n_in = self.w.shape
        linear: nn.Linear = nn.utils.skip_init(  # type: ignore[assignment]
            nn.Linear, n_in, n_out, dtype=self.w.dtype, device=self.w.device
        )
        linear.weight.copy_(self.w + self.G)
        linear.bias.copy_(self.b)
        return linear


@default_settings()
def train_locally(
    layers: Sequence[EntropyLinear],
    x: Tensor,
    *,
    eta: float | tuple[float, float, float],
    epochs: int = 1,
    batch_size: int | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: bool = True,
) -> list[list[float]]:
    """Minimise every layer's own entropy by the document's update rules, without backpropagation.

    A step takes a batch through the layers, each of which reads the decisions D = σ(z) of the one
    before. Then w, G and b of each layer go down the gradient of its own H (`entropy_gradients`)
    by plain gradient descent; no layer hears of a later one's entropy, and nothing of labels.

    >>> import torch
    >>> rows = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    >>> layers = [EntropyLinear(5, 8, seed=0), EntropyLinear(8, 2, seed=1)]
    >>> bits = train_locally(layers, rows, eta=1.0, epochs=50)
    >>> [round(h, 1) for h in bits[0]], [round(h, 1) for h in bits[-1]]
    ([0.9, 1.0], [0.2, 0.0])

    Args:
        layers: trained in place; each reads as many inputs as the one before has units.
        x: rows of inputs, shape (n, n_in), of the dtype and on the device of the layers.
        eta: step size η, or those of w, G and b, in this order.
        epochs: passes over the rows.
        batch_size: rows of a step; None: all of them.
        seed: draws the order of rows of each epoch, which batches are cut from.
        threads: of PyTorch during the call.
        progress: show on the terminal how far it is, if it takes more than two seconds.

    Returns:
        mean entropy of a decision of each layer over all rows and units, in bits: first before
        training, then after each epoch; shape (epochs + 1, number of layers).

    Raises:
        EntropyError: (a ValueError) an argument is invalid, and is named.
    """
    steps = _step_sizes(eta)
    epochs = whole_number(epochs, "epochs", 1, EntropyError)
    threads = whole_number(threads, "threads", 1, EntropyError)
    order = row_order(check_seed(seed, EntropyError))
    layers = _chain(layers, x)
    n = len(x)
    size = n if batch_size is None else whole_number(batch_size, "batch_size", 1, EntropyError)
    with (
        torch.no_grad(),
        use_threads(threads),
        progress_line("training by local entropy", epochs, show=progress) as stage,
    ):
        bits = [_bits(layers, x)]
        for _ in range(epochs):
            rows = x[torch.from_numpy(order.permutation(n)).to(x.device)]
            for batch in rows.split(size):
                _step(layers, batch, *steps)
            bits.append(_bits(layers, x))
            stage.advance()
    return bits


def _chain(layers: Any, x: Any) -> list[EntropyLinear]:
    """The layers as a list; an `EntropyError` says where they do not fit each other or the rows."""
    layers = list(layers) if isinstance(layers, Iterable) else []
    if not layers or not all(isinstance(layer, EntropyLinear) for layer in layers):
        raise EntropyError("layers has to hold EntropyLinear layers only, and at least one.")
    instance_of(x, Tensor, "x", "give a torch tensor of rows", EntropyError)
    if x.ndim != 2 or not len(x):
        raise EntropyError(f"x is of shape {tuple(x.shape)}; give rows, of shape (n, n_in).")
    width = x.shape[1]
    for i, layer in enumerate(layers):
        if layer.w.shape[1] != width:
            raise EntropyError(f"layers[{i}] reads {layer.w.shape[1]} inputs and is given {width}.")
        if (layer.w.dtype, layer.w.device) != (x.dtype, x.device):
            raise EntropyError(
                f"layers[{i}] is of {layer.w.dtype} on {layer.w.device}, x of {x.dtype} on "
                f"{x.device}; make them the same."
            )
        width = layer.w.shape[0]
    if not bool(x.isfinite().all()):
        raise EntropyError("x holds values that are not finite; leave those rows out.")
    return layers


def _step_sizes(eta: Any) -> tuple[float, float, float]:
    """η of w, G and b; an `EntropyError` refuses what is no step size."""
    if not isinstance(eta, tuple | list):
        eta = (eta,) * 3
    if len(eta) != 3:
        raise EntropyError(f"eta holds {len(eta)} step sizes; give one, or those of w, G and b.")
    w, g, b = (real_number(value, "eta", 0.0, error=EntropyError) for value in eta)
    return w, g, b


def _step(
    layers: Sequence[EntropyLinear], x: Tensor, eta_w: float, eta_g: float, eta_b: float
) -> None:
    """One update of every layer, each from its own inputs and activations."""
    for layer in layers:
        z = layer(x)
        gradients = entropy_gradients(x, z)
        x = torch.sigmoid(z)  # as the layer was when this step began
        layer.w.sub_(gradients.w, alpha=eta_w)
        layer.G.sub_(gradients.G, alpha=eta_g)
        layer.b.sub_(gradients.b, alpha=eta_b)


def _bits(layers: Sequence[EntropyLinear], x: Tensor) -> list[float]:
    """Mean entropy of each layer's decisions, in bits."""
    means = []
    for layer in layers:
        z = layer(x)
        means.append(float(decision_entropy(z).mean()))
        x = torch.sigmoid(z)
    return means
