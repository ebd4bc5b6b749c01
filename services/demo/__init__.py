"""The selector at work: a small transformer that an experiment trains on random tasks and on those BOTS selects."""
