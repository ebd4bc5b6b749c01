"""GRPO by TRL on the tasks that the selector chooses: `bots train CONFIG.yaml`."""
