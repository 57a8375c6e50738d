"""Priors in Optuna: samplers, promotion, studies and the storages they live in.

- `brackets`: Hyperband's arithmetic; `promotion`: trials that continue the best paused ones.
- `wrapping`: the base of all samplers around another one; `bases`, `seeded`, `local_search`: what a
  prior's sampler asks for the trials that are not the prior's.
- `sampler`: `PriorSampler`; what it decides by: `adaptive_weights` (ranks trials), `trial_history`,
  `first_trial`; what it proposes: `proposals`, `random_numbers`; what it warns of: `mismatch`.
- `study`: `hyperband_study`; `storage`, `database`: where it is kept; `runner`: `optimize`.
"""
