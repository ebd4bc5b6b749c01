"""Mistakes to plant in the manifests of a cluster, each with the check that finds it and words of its complaint."""

from __future__ import annotations

from tests.deploy.mistakes import files, network, pods, probes, references, variables

MISTAKES = [
    *references.MISTAKES,
    *files.MISTAKES,
    *pods.MISTAKES,
    *probes.MISTAKES,
    *variables.MISTAKES,
    *network.MISTAKES,
]
"""For every cluster."""
DEV_MISTAKES = [
    *files.DEV_MISTAKES,
    *pods.DEV_MISTAKES,
    *probes.DEV_MISTAKES,
    *network.DEV_MISTAKES,
]
"""In what only the overlay for trying it out has."""
PROD_MISTAKES = [
    *references.PROD_MISTAKES,
    *files.PROD_MISTAKES,
    *probes.PROD_MISTAKES,
    *network.PROD_MISTAKES,
]
"""In what only the overlay for production has."""
