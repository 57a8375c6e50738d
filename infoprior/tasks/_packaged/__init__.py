"""Real data sets that come with Python packages: what there is, and how its raw files are read."""
