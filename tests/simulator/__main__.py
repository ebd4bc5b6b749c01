"""`python -m tests.simulator 100000` makes so many schedules; `--plants` looks for planted bugs in so many."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.simulator.plants import PLANTS, Plant
from tests.simulator.schedule import Schedule, Violation
from tests.simulator.server import Wire, valkey

_TOLD_EVERY = 1_000


def main() -> int:
    """How many violations there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schedules", type=int, help="how many, at most")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--horizon", action="store_true", help="forget and pack what is a few seconds old")
    parser.add_argument(
        "--losses", action="store_true", help="let Redis fall back often, while the pool grows"
    )
    parser.add_argument("--plants", action="store_true", help="look for planted bugs")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # a snapshot that is not written, now and then
    gc.freeze()  # what is loaded by now stays: collections need not look through it
    gc.set_threshold(50_000)
    seeds = range(arguments.first, arguments.first + arguments.schedules)
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as wire:
        if not arguments.plants:
            return _simulate(wire, seeds, arguments.horizon, arguments.losses)
        return sum(_look_for(plant, wire, seeds) for plant in PLANTS)


def _simulate(wire: Wire, seeds: range, is_horizon_near: bool, is_lossy: bool) -> int:
    violations = steps = 0
    began, cpu = time.monotonic(), time.process_time()
    for number, seed in enumerate(seeds, 1):
        schedule = Schedule(seed, wire, is_horizon_near=is_horizon_near, is_lossy=is_lossy)
        try:
            schedule.run()
        except Violation as error:
            violations += 1
            print(error, flush=True)
        steps += schedule.steps
        if number % _TOLD_EVERY == 0 or number == len(seeds):
            hour = number / (time.monotonic() - began) * 3600
            milliseconds = (time.process_time() - cpu) / number * 1000
            print(
                f"{number} schedules to seed {seed}, {violations} violations; {hour:.0f} an hour, "
                f"{milliseconds:.1f} ms of CPU and {steps / number:.0f} steps each",
                flush=True,
            )
    return violations


def found(plant: Plant, wire: Wire, seeds: range) -> tuple[int, Violation] | None:
    """After how many schedules a planted bug was found, and how it showed; None if it was not."""
    with plant.planted():
        for number, seed in enumerate(seeds, 1):
            try:
                Schedule(seed, wire, plant.lua, plant.is_of_old).run()
            except Violation as violation:
                return number, violation
    return None


def _look_for(plant: Plant, wire: Wire, seeds: range) -> int:
    after = found(plant, wire, seeds)
    if after is None:
        print(f"| {plant.name} | not in {len(seeds)} |", flush=True)
        return 1
    number, violation = after
    print(f"| {plant.name} | {number} | {str(violation).splitlines()[0][:200]} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(min(main(), 1))
