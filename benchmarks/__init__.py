"""Programs that measure error, speed, cost, growth and searches; their tables are in results/."""
