"""Posteriors written as CSV, JSONL and Parquet, row by row or in small batches."""

import csv
from collections.abc import Callable, Iterable
from itertools import batched
from pathlib import Path

from trainer_client import PosteriorRow
