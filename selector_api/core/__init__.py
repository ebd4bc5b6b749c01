"""The mathematics of task selection: pure, deterministic, numpy and scipy only.

A run's state is a fold of its log (`fold`); the posterior is kept sparsely (`bots`); a batch is drawn from a
state by `select`.
"""
