"""Reference evaluation: the pass rate of a model on every task of a file, as BOTS needs it of its references.

    bots measure CONFIG.yaml [--shard 2/8]

Samples completions of every task, scores them by the task's reward, and writes the task file again with one more
column: the mean reward. Every finished task is on disk before the next batch begins, so a kill costs one batch.
"""
