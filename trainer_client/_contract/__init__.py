"""What the service takes, taken over from its source by generate_contract.py."""
