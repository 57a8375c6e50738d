"""A multi-task Gaussian process whose mean and kernels are learned by marginal likelihood.

Results of a task: a mean of each (architecture, channel), plus a Gaussian process with kernel low
rank + s s' exp(-|e - e'|^2 / 2), where e embeds (encoded architecture, epoch, quantity) by a small
network (Wilson et al., "Deep kernel learning", AISTATS 2016), in inducing points (Snelson and
Ghahramani, "Sparse Gaussian processes using pseudo-inputs", NIPS 2005), plus an architecture's own.
In its eigenbasis a task is a vector z, as in the linear-Gaussian. Between tasks z is a Gaussian
process over an embedding of the task's features.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from benchmarks.predictors._kinds_data import INNER, Fold
from infoprior.predictors import _task_regression as ridge
from infoprior.predictors._factor_model import FactorModel, _principal, task_factors
from infoprior.predictors._performance_fit import TrainingTasks
from infoprior.predictors._recorded_runs import TEST
from infoprior.predictors._result_model import ResultModel

RANK, INDUCING, EMBEDDING = 12, 20, 6
STEPS, BATCH, RATE = 250, 32, 1e-2
TASK_STEPS, TASK_BATCH, TASK_RATE = 150, 96, 5e-3
_LEAST_NOISE = 0.01


def squares(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Squared distances, shape (n, m)."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2.0 * a @ b.T).clamp_min(0.0)


class ResultKernel(nn.Module):
    """Mean and covariance of all results of a task: K architectures, D channels."""

    def __init__(self, start: FactorModel, encoded: np.ndarray, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        k, d, _ = start.loadings.shape
        rungs = (d - 2) // 2
        about = np.zeros((d, 5))  # place of the rung; validation accuracy, loss, test, score
        for c in range(d):
            about[c, 0] = c % rungs / (rungs - 1) if c < 2 * rungs else 1.0
            about[c, 1 + (c // rungs if c < 2 * rungs else c - 2 * rungs + 2)] = 1.0
        x = np.concatenate([
            np.repeat(encoded[:, None] - 0.5, d, 1), np.repeat(about[None], k, 0)
        ], -1)  # fmt: skip
        self.register_buffer("x", torch.from_numpy(x))
        self.mean = nn.Parameter(torch.from_numpy(start.mean.copy()))
        self.loadings = nn.Parameter(torch.from_numpy(start.loadings.copy()))
        self.embed = nn.Sequential(
            nn.Linear(x.shape[-1], 32), nn.Tanh(), nn.Linear(32, EMBEDDING)
        ).double()
        chosen = torch.randperm(k * d)[:INDUCING]
        self.inducing = nn.Parameter(
            self.embed(self.x.reshape(k * d, -1)[chosen]).detach() + 0.1 * torch.randn(INDUCING, 1)
        )
        rest = start.rest.mean(axis=0)
        self.log_amplitude = nn.Parameter(torch.from_numpy(0.5 * np.log(0.3 * np.diag(rest))))
        self.root = nn.Parameter(torch.from_numpy(np.linalg.cholesky(rest)))
        own = np.diagonal(start.rest, axis1=1, axis2=2) / np.diag(rest)
        self.log_own = nn.Parameter(torch.from_numpy(0.25 * np.log(np.maximum(own, 0.05))))

    def forward(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean (K, D), loadings (K, D, r), covariance of an architecture's own (K, D, D)."""
        k, d, _ = self.x.shape
        e = self.embed(self.x).reshape(k * d, -1)
        across = (-0.5 * squares(e, self.inducing)).exp()
        among = (-0.5 * squares(self.inducing, self.inducing)).exp()
        root = torch.linalg.cholesky(among + 1e-4 * torch.eye(INDUCING, dtype=e.dtype))
        features = torch.linalg.solve_triangular(root, across.T, upper=False).T
        amplitude = self.log_amplitude.exp()
        left = (1.0 - features.square().sum(1)).clamp_min(0.0).reshape(k, d) * amplitude**2
        learned = features.reshape(k, d, -1) * amplitude[:, None]
        own = self.log_own.exp()[..., None] * self.root.tril()
        rest = own @ own.mT + torch.diag_embed(left + 1e-6)
        return self.mean, torch.cat([self.loadings, learned], -1), rest


def minus_log_likelihood(
    kernel: ResultKernel, values: torch.Tensor, noise: torch.Tensor, known: torch.Tensor
) -> torch.Tensor:
    """Of tasks' results (T, K, D), given noise (T, K, D, D), for each task and result; (T,)."""
    mean, loadings, rest = kernel()
    t, k, d = values.shape
    eye = torch.eye(d, dtype=values.dtype)
    root = torch.linalg.cholesky(torch.where(known[..., None, None], rest + noise, eye))
    off = torch.where(known[..., None], values - mean, 0.0)
    both = torch.cat([loadings.expand(t, *loadings.shape), off[..., None]], -1)
    both = torch.where(known[..., None, None], both, 0.0)
    white = torch.linalg.solve_triangular(root, both, upper=False).reshape(t, k * d, -1)
    a, y = white[..., :-1], white[..., -1]
    precision = torch.eye(a.shape[-1], dtype=values.dtype) + a.mT @ a
    small = torch.linalg.cholesky(precision)
    ahead = torch.linalg.solve_triangular(small, a.mT @ y[..., None], upper=False)[..., 0]
    quadratic = y.square().sum(1) - ahead.square().sum(1)
    log_det = 2.0 * torch.diagonal(root, dim1=-2, dim2=-1).log().sum((1, 2))
    log_det = log_det + 2.0 * torch.diagonal(small, dim1=-2, dim2=-1).log().sum(1)
    return 0.5 * (quadratic + log_det) / (known.sum(1) * d)


def fit_results(fold: Fold, trained: TrainingTasks, seed: int = 0) -> FactorModel:
    """The kernel under which the training tasks' results are likeliest.

    Stopped where the families of the first inner fold are likeliest.
    """
    encoded = fold.bench.meta.space.encode(fold.outer._fitted.model.points)
    start = _principal(trained.results, trained.noise, trained.weights, RANK)
    kernel = ResultKernel(start, encoded, seed)
    values = torch.from_numpy(np.nan_to_num(trained.results))
    noise = torch.from_numpy(np.nan_to_num(trained.noise))
    known = torch.from_numpy(np.isfinite(trained.results[..., -1]))
    out = fold.owner[fold.training] == 0
    inside = np.flatnonzero(~out)
    weights = trained.weights
    probability = weights[inside] / weights[inside].sum()
    check = np.flatnonzero(out & (weights > weights.min()))  # real tasks
    optimizer = torch.optim.Adam(kernel.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    rng = np.random.default_rng(seed)
    best, best_loss = None, np.inf
    for step in range(STEPS + 1):
        if step % 50 == 0:
            with torch.no_grad():
                loss = minus_log_likelihood(kernel, values[check], noise[check], known[check])
            loss = float(loss.mean())
            if loss < best_loss:
                best, best_loss = copy.deepcopy(kernel.state_dict()), loss
            if step == STEPS:
                break
        which = rng.choice(inside, BATCH, p=probability)
        loss = minus_log_likelihood(kernel, values[which], noise[which], known[which]).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(kernel.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    kernel.load_state_dict(best)
    with torch.no_grad():
        return FactorModel(*(part.numpy() for part in kernel()))


class TaskKernel(nn.Module):
    """s exp(-|h(x) - h(x')|^2 / 2) + x A x' between tasks; noise of each of r factors."""

    def __init__(self, features: int, factors: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(features, 24), nn.Tanh(), nn.Dropout(0.1), nn.Linear(24, EMBEDDING)
        ).double()
        self.log_linear = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.log_amplitude = nn.Parameter(torch.full((), -0.7, dtype=torch.float64))
        self.log_noise = nn.Parameter(torch.full((factors,), -0.7, dtype=torch.float64))

    def noise(self) -> torch.Tensor:
        return self.log_noise.exp() + _LEAST_NOISE

    def forward(self, a: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
        """Between tasks a and b, or (one draw of dropout for both) a and a."""
        left = self.embed(a)
        near = (-0.5 * squares(left, left if b is None else self.embed(b))).exp()
        b = a if b is None else b
        return self.log_amplitude.exp() * near + self.log_linear.exp() * a @ b.T


def fit_task_kernel(
    x: np.ndarray, z: np.ndarray, weights: np.ndarray, seed: int
) -> tuple[TaskKernel, np.ndarray]:
    """By the marginal likelihood of random sets of tasks; and the mean of the factors."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    share = weights / weights.sum()
    mean = share @ z
    inputs, outputs = torch.from_numpy(x), torch.from_numpy(z - mean)
    kernel = TaskKernel(x.shape[1], z.shape[1])
    optimizer = torch.optim.AdamW(kernel.parameters(), lr=TASK_RATE, weight_decay=0.01)
    size = min(TASK_BATCH, int((share > 0).sum()) - 1)
    for _ in range(TASK_STEPS):
        which = rng.choice(len(x), size, replace=False, p=share)
        gram = kernel(inputs[which])
        noise = kernel.noise()[:, None, None] * torch.eye(size, dtype=gram.dtype)
        root = torch.linalg.cholesky(gram + noise)
        white = torch.linalg.solve_triangular(root, outputs[which].T[..., None], upper=False)
        loss = 0.5 * white.square().mean() + torch.diagonal(root, dim1=1, dim2=2).log().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return kernel.eval(), mean


def predict_factors(
    kernel: TaskKernel, mean: np.ndarray, x: np.ndarray, z: np.ndarray, weights: np.ndarray,
    new: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Expected factors of new tasks, shape (n, r)."""
    with torch.no_grad():
        inputs, asked = torch.from_numpy(x), torch.from_numpy(new)
        gram, across = kernel(inputs).numpy(), kernel(asked, inputs).numpy()
        noise = kernel.noise().numpy()
    values, vectors = np.linalg.eigh(gram)
    ahead = vectors.T @ (z - mean)
    return mean + across @ vectors @ (ahead / (np.maximum(values, 0.0)[:, None] + noise))


def fit_deep_kernel(
    fold: Fold, trained: TrainingTasks
) -> tuple[ResultModel, np.ndarray, np.ndarray]:
    """The Gaussian over results, and held-out tasks' factors: (N, P, r) and (N, P, r, r)."""
    factors = fit_results(fold, trained)
    old = fold.outer._fitted.model
    model = ResultModel(
        space=old.space, points=old.points, names=old.names, channels=old.channels,
        scale=old.scale_name, factors=factors, noise=old.noise, kernel=old.kernel,
        n_validation=old.n_validation,
    )  # fmt: skip
    z, spread = task_factors(factors, trained.results, trained.noise)
    level = factors.loadings[:, TEST].mean(axis=0)
    weights, inner = trained.weights, fold.owner[fold.training]
    unknown = np.tensordot(weights, spread, 1) / weights.sum()
    r, n = z.shape[1], len(fold.names)
    mean = np.zeros((n, len(fold.profiles), r))
    covariance = np.tile(np.eye(r), (n, len(fold.profiles), 1, 1))
    held = ~fold.training
    for p, name in enumerate(fold.profiles):
        if not (groups := fold.bench.sets[name]):
            continue
        x = np.concatenate([fold.features[g] for g in groups], axis=1)
        known, new = x[fold.training], x[held]
        residuals = np.zeros_like(z)
        for i in range(INNER):
            out = inner == i
            kernel, centre = fit_task_kernel(known[~out], z[~out], weights[~out], i)
            part = predict_factors(kernel, centre, known[~out], z[~out], weights[~out], known[out])
            residuals[out] = z[out] - part
            mean[held, p] += predict_factors(kernel, centre, known, z, weights, new) / INNER
        scatter = ridge._scatter(residuals, unknown, weights)
        covariance[:, p] = ridge._along(level, scatter, residuals, weights)
    return model, mean, covariance
