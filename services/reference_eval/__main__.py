"""`python -m services.reference_eval CONFIG.yaml`."""

from services.command_line.failures import needing_extra, printed_failures

if __name__ == "__main__":
    with printed_failures(), needing_extra("trainer"):
        from services.command_line.command import run_command
        from services.reference_eval.command import measure
    run_command(measure, "services.reference_eval")
