"""Task files: Parquet and JSONL as pools, trainings and evaluations read them."""
