"""A prior that learns during a search which past studies the present one is like."""
