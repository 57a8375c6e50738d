"""One short script per DVC stage: read params.yaml, call infoprior, write the stage's outputs."""
