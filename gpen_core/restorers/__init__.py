"""One aligned crop in, the restored crop out."""
