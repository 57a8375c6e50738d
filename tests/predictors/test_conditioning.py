"""Conditioning by blocks against the one large Gaussian that it stands for."""

import numpy as np

from infoprior.predictors._conditioning import Block, Final, condition, final_given

U, SIZES = 3, (4, 2, 5)


def joint(seed: int = 0) -> tuple[list[Block], list[Final], np.ndarray, np.ndarray]:
    """Blocks and final results, and mean and covariance of the common coordinates."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(U, U))
    blocks, finals = [], []
    for size in SIZES:
        own = rng.normal(size=(size + 1, size + 3))
        own = own @ own.T
        blocks.append(
            Block(rng.normal(size=size), rng.normal(size=(size, U)), own[:-1, :-1], own[:-1, -1:])
        )
        finals.append(Final(rng.normal(size=1), rng.normal(size=(1, U)), own[-1:, -1:]))
    return blocks, finals, rng.normal(size=U), root @ root.T


def brute_force(
    blocks: list[Block], finals: list[Final], mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (common, finals) given all blocks, by one large matrix."""
    loadings = np.concatenate([b.loadings for b in blocks])
    rows = np.concatenate([f.row for f in finals])
    target = np.concatenate([np.eye(U), rows])
    own = np.zeros((len(loadings), len(loadings)))
    across = np.zeros((len(target), len(loadings)))
    start = 0
    for i, block in enumerate(blocks):
        end = start + len(block.values)
        own[start:end, start:end] = block.covariance
        across[U + i, start:end] = block.with_final[:, 0]
        start = end
    rest = np.diag([0.0] * U + [f.rest[0, 0] for f in finals])
    observed = loadings @ covariance @ loadings.T + own
    cross = target @ covariance @ loadings.T + across
    values = np.concatenate([b.values for b in blocks]) - loadings @ mean
    gain = np.linalg.solve(observed, cross.T).T
    before = target @ mean + np.array([0.0] * U + [f.offset[0] for f in finals])
    return before + gain @ values, target @ covariance @ target.T + rest - gain @ cross.T


def test_blocks_give_what_the_whole_gaussian_gives():
    blocks, finals, mean, covariance = joint()
    expected, spread = brute_force(blocks, finals, mean, covariance)
    after, within = condition(mean, covariance, blocks)
    np.testing.assert_allclose(after, expected[:U], rtol=1e-8)
    np.testing.assert_allclose(within, spread[:U, :U], atol=1e-9)
    given = [final_given(block, final) for block, final in zip(blocks, finals, strict=True)]
    rows = np.concatenate([g.row for g in given])
    np.testing.assert_allclose([g.offset[0] for g in given] + rows @ after, expected[U:], rtol=1e-8)
    joint_spread = rows @ within @ rows.T + np.diag([g.rest[0, 0] for g in given])
    np.testing.assert_allclose(joint_spread, spread[U:, U:], atol=1e-9)


def test_the_order_of_blocks_makes_no_difference():
    blocks, _, mean, covariance = joint(1)
    forward, backward = (condition(mean, covariance, b) for b in (blocks, blocks[::-1]))
    np.testing.assert_allclose(forward[0], backward[0], rtol=1e-10)
    np.testing.assert_allclose(forward[1], backward[1], atol=1e-12)


def test_without_evidence_nothing_changes():
    _, _, mean, covariance = joint(2)
    after, within = condition(mean, covariance, [])
    assert after is mean
    assert within is covariance


def test_common_coordinates_that_are_known_for_certain_stay_so():
    blocks, _, mean, covariance = joint(3)
    covariance = covariance.copy()
    covariance[-1] = covariance[:, -1] = 0.0
    after, within = condition(mean, covariance, blocks)
    assert after[-1] == mean[-1]
    np.testing.assert_allclose(within[-1], 0.0, atol=1e-12)
