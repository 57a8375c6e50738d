"""infoprior."""
