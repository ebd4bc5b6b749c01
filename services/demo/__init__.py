"""The selector at work: a small transformer learns by GRPO, once on random tasks and once on those BOTS selects."""
