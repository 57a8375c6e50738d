"""Every system of the source documents beside Hyperband, at equal cost.

`python -m pipeline.strategies` is a stage of the pipeline with the few tasks of params.yaml;
`make strategies` compares on more of them. What a strategy does is in `searches`.
"""
