"""How a training step is computed: compiled, by autograd, or for many networks at once."""
