"""An in-context network: evidence in, a Gaussian over final results out, by attention.

A token for each architecture, with what is known of it (curves up to a rung), and one for the task
(features of its profile); every token attends to those that something is known of (Nguyen and
Grover, "Transformer Neural Processes", ICML 2022). Trained on random states of evidence of the
training tasks.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.predictors._kinds_data import Episodes, Fold
from benchmarks.predictors._kinds_judge import Prediction
from infoprior.predictors._recorded_runs import TEST

log = logging.getLogger(__name__)
CHECK_EVERY = 50  # steps


@dataclass(frozen=True)
class NetworkKind:
    """A variant.

    Attributes:
        residual: whether it corrects the linear-Gaussian's posterior, whose means and standard
            deviations it is given; else it corrects the average over tasks.
        attention: whether architectures see each other.
        width, layers, heads: of the transformer.
        steps, batch, rate, decay: of AdamW.
        dropout: of features and of activations.
    """

    residual: bool = True
    attention: bool = True
    width: int = 48
    layers: int = 2
    heads: int = 4
    steps: int = 600
    batch: int = 24
    rate: float = 2e-3
    decay: float = 0.05
    dropout: float = 0.1
    real_weight: float = 16.0


@dataclass(frozen=True, eq=False)
class Inputs:
    """Of episodes, as float32 arrays.

    Attributes:
        tokens: shape (B, K, c).
        task: shape (B, p).
        seen: whether anything is known of an architecture, shape (B, K).
        base: centre and log spread that are corrected: (B, K, 2 results, 2).
    """

    tokens: np.ndarray
    task: np.ndarray
    seen: np.ndarray
    base: np.ndarray


def inputs_of(fold: Fold, episodes: Episodes, residual: bool) -> Inputs:
    model = fold.outer._fitted.model
    factors = model.factors
    size = model.channels.evidence
    sd = np.sqrt(
        np.square(factors.loadings).sum(-1) + np.diagonal(factors.rest, axis1=1, axis2=2)
    )  # (K, D)
    off = np.nan_to_num(fold.values[episodes.task, episodes.draw, :, :size])
    rung = np.tile(np.arange(4), 2)
    shown = rung < episodes.prefix[..., None]
    standardised = np.where(shown, (off - factors.mean[:, :size]) / sd[:, :size], 0.0)
    mask = (np.arange(4) < episodes.prefix[..., None]).astype(float)
    usual = factors.mean[:, TEST:], sd[:, TEST:]
    base = np.broadcast_to(np.stack([usual[0], np.log(usual[1])], -1),
                           (*episodes.prefix.shape, 2, 2))  # fmt: skip
    tokens = [standardised, mask]
    if residual:
        mean, variance = fold.linear(episodes)
        spread = np.sqrt(variance)
        tokens += [(mean - usual[0]) / usual[1], np.log(spread / usual[1])]
        base = np.stack([mean, np.log(spread)], -1)
    task = [np.log(fold.rows[episodes.task])[:, None] / 2.0 - 3.0]
    task.append((episodes.prefix > 0).mean(axis=1, keepdims=True))
    for group, x in fold.features.items():
        known = np.array([group in fold.bench.sets[name] for name in fold.profiles])
        on = known[episodes.profile].astype(float)[:, None]
        task += [on, x[episodes.task] * on]
    return Inputs(
        np.concatenate(tokens, -1).astype(np.float32), np.concatenate(task, -1).astype(np.float32),
        (episodes.prefix > 0), base.astype(np.float32),
    )  # fmt: skip


class Layer(nn.Module):
    def __init__(self, kind: NetworkKind) -> None:
        super().__init__()
        d = kind.width
        self.heads, self.attends = kind.heads, kind.attention
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        if self.attends:
            self.q, self.kv, self.o = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
        self.dropout = nn.Dropout(kind.dropout)

    def forward(self, x: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        b, n, d = x.shape
        if self.attends:
            h = self.norm1(x)
            q = self.q(h).view(b, n, self.heads, -1).transpose(1, 2)
            k, v = self.kv(h).view(b, n, self.heads, 2, -1).permute(3, 0, 2, 1, 4)
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
            x = x + self.dropout(self.o(mixed.transpose(1, 2).reshape(b, n, d)))
        return x + self.dropout(self.down(nn.functional.gelu(self.up(self.norm2(x)))))


class InContextNetwork(nn.Module):
    def __init__(
        self, kind: NetworkKind, encoded: np.ndarray, channels: int, features: int
    ) -> None:
        super().__init__()
        d = kind.width
        self.register_buffer("encoded", torch.from_numpy(encoded.astype(np.float32) - 0.5))
        self.identity = nn.Parameter(0.1 * torch.randn(len(encoded), d))
        self.architecture = nn.Linear(encoded.shape[1], d)
        self.token, self.task = nn.Linear(channels, d), nn.Linear(features, d)
        self.drop_features = nn.Dropout(kind.dropout)
        self.layers = nn.ModuleList([Layer(kind) for _ in range(kind.layers)])
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, 4)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, tokens: torch.Tensor, task: torch.Tensor, seen: torch.Tensor, base: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Centres and log spreads, shape (B, K, 2) each."""
        about = self.task(self.drop_features(task))[:, None]
        of = self.identity + self.architecture(self.encoded)
        x = torch.cat([about, self.token(tokens) + of + about], dim=1)
        allowed = torch.cat([torch.ones_like(seen[:, :1]), seen], dim=1)[:, None, None]
        for layer in self.layers:
            x = layer(x, allowed)
        out = self.out(self.norm(x[:, 1:])).view(*base.shape)
        log_spread = base[..., 1] + 1.5 * torch.tanh(out[..., 1])
        return base[..., 0] + out[..., 0] * base[..., 1].exp(), log_spread


def simulated(fold: Fold, rng: np.random.Generator) -> Fold:
    """The same training tasks, had the linear-Gaussian made their results."""
    model = fold.outer._fitted.model
    factors, noise = model.factors, model.noise
    n, _, k, d = fold.values.shape
    variance = np.pad(np.nan_to_num(fold.variance, nan=1.0), [(0, 0), (0, 0), (0, 1)])
    root = np.linalg.cholesky(fold.factor_spread[:, -1])
    z = fold.factor_mean[:, -1] + np.matvec(root, rng.standard_normal((n, model.size)))
    rest = np.matvec(np.linalg.cholesky(factors.rest), rng.standard_normal((n, k, d + 1)))
    theta = factors.mean + np.einsum("kdr,nr->nkd", factors.loadings, z) + rest
    jitter = 1e-12 * np.eye(d + 1)
    own = np.linalg.cholesky(noise.own(variance, noise.factor) + jitter)
    luck = np.matvec(own, rng.standard_normal((n, k, d + 1)))
    made = copy.copy(fold)
    made.values, made.scores = (theta + luck)[:, None, :, :-1], theta[..., -1]
    made.draws = np.ones(n, dtype=np.int64)
    return made


@dataclass(frozen=True, eq=False)
class Goal:
    """accuracy (B, K) on the scale, its noise's variance (B, K), score (B, K), weight (B,)."""

    accuracy: np.ndarray
    noise: np.ndarray
    score: np.ndarray
    weight: np.ndarray


def goal_of(fold: Fold, episodes: Episodes, real_weight: float) -> Goal:
    accuracy, noise, _ = fold.targets(episodes)
    weight = np.where(fold.real[episodes.task], real_weight / 2.0, 1.0)
    return Goal(accuracy, noise, fold.scores[episodes.task], weight)


def losses(
    centre: torch.Tensor, log_spread: torch.Tensor, goal: list[torch.Tensor]
) -> torch.Tensor:
    """Negative log-likelihoods of accuracy and score, shape (B,)."""
    accuracy, noise, score, _ = goal
    known = torch.isfinite(accuracy) & torch.isfinite(score)
    total = torch.zeros(len(accuracy))
    for i, (truth, extra) in enumerate(((accuracy, noise), (score, torch.zeros_like(noise)))):
        variance = (2.0 * log_spread[..., i]).exp() + torch.nan_to_num(extra)
        off = torch.where(known, truth - centre[..., i], 0.0)
        nll = 0.5 * (variance.log() + off.square() / variance)
        total = total + torch.where(known, nll, 0.0).sum(1) / known.sum(1).clamp_min(1)
    return total


def tensors(part: Any, which: np.ndarray | slice = slice(None)) -> list[torch.Tensor]:
    return [
        torch.from_numpy(np.ascontiguousarray(a[which] if a.dtype == bool else
                                              a[which].astype(np.float32)))
        for a in vars(part).values()
    ]  # fmt: skip


def train(
    fold: Fold, kind: NetworkKind, episodes: Episodes, holdout: int, seed: int,
    start: dict[str, torch.Tensor] | None = None,
) -> InContextNetwork:  # fmt: skip
    """One network, stopped where the families of an inner fold are predicted best."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, holdout])
    x, y = inputs_of(fold, episodes, kind.residual), goal_of(fold, episodes, kind.real_weight)
    encoded = fold.bench.meta.space.encode(fold.outer._fitted.model.points)
    net = InContextNetwork(kind, encoded, x.tokens.shape[-1], x.task.shape[-1])
    if start is not None:
        net.load_state_dict(start)
    out = fold.owner[episodes.task] == holdout
    inside = np.flatnonzero(~out)
    check = np.flatnonzero(out & (fold.real[episodes.task]))
    check_x, check_y = tensors(x, check), tensors(y, check)
    probability = y.weight[inside] / y.weight[inside].sum()
    optimizer = torch.optim.AdamW(net.parameters(), lr=kind.rate, weight_decay=kind.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, kind.rate, total_steps=kind.steps, pct_start=0.1
    )
    best, best_loss = None, np.inf
    for step in range(kind.steps + 1):
        if step % CHECK_EVERY == 0:
            net.eval()
            with torch.no_grad():
                parts = torch.arange(len(check)).split(512)
                loss = np.concatenate([
                    losses(*net(*[a[p] for a in check_x]), [a[p] for a in check_y]) for p in parts
                ]).mean()  # fmt: skip
            log.debug("step %d: held-out loss %.4f", step, loss)
            if loss < best_loss:
                best_loss = float(loss)
                best = {n: v.clone() for n, v in net.state_dict().items()}
            if step == kind.steps:
                break
        net.train()
        which = rng.choice(inside, kind.batch, p=probability)
        loss = losses(*net(*tensors(x, which)), tensors(y, which)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    net.load_state_dict(best)
    return net.eval()


def predict(
    fold: Fold, kind: NetworkKind, nets: list[InContextNetwork], episodes: Episodes
) -> Prediction:
    """Moments of the mixture of the members' Gaussians."""
    x = tensors(inputs_of(fold, episodes, kind.residual))
    with torch.no_grad():
        answers = [tuple(a.double().numpy() for a in net(*x)) for net in nets]
    centres = np.stack([a[0] for a in answers])
    variances = np.exp(2.0 * np.stack([a[1] for a in answers]))
    centre = centres.mean(0)
    spread = np.sqrt(variances.mean(0) + centres.var(0))
    return Prediction(centre[..., 0], spread[..., 0], centre[..., 1])
