"""GRPO by TRL on the tasks that the selector chooses: `python -m services.trainer CONFIG.yaml`."""
