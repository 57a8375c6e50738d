"""A predictor in an Optuna study: what trials tell it, what it proposes, how far to trust it.

Built from the ground up: networks (trials as learning curves), lookahead (what a further result
would be worth), trust (how far the predictor is right here), study_posterior (all of these for one
study), sampler, promotion, recommendation.
"""
