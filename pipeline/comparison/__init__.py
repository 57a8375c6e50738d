"""What the stage `strategies` compares: searches, their jobs, tables, and runs of MLflow."""
