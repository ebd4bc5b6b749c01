"""`python -m services.trainer CONFIG.yaml`, alone or under `accelerate launch -m` or `torchrun -m`."""

from services.command_line.failures import needing_extra, printed_failures

if __name__ == "__main__":
    with printed_failures(), needing_extra("trainer"):
        from services.command_line.command import run_command
        from services.trainer.command import train
    run_command(train, "services.trainer")
