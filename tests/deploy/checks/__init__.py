"""What no schema knows: that the manifests of a cluster agree with each other and with the service.

A check takes all manifests of a cluster and gives what is wrong, a line each.
"""

from __future__ import annotations

from tests.deploy.checks.files import files_are_mounted, mounts_have_volumes
from tests.deploy.checks.network import only_allowed_traffic_passes
from tests.deploy.checks.pods import (
    admins_are_gone_when_work_begins,
    images_are_pinned,
    is_pinned,
    pods_are_restricted,
    pods_end_in_time,
    redis_fits_into_its_memory,
    requests_are_within_limits,
)
from tests.deploy.checks.probes import is_open_route, probes_hit_routes, services_are_probed
from tests.deploy.checks.references import ports_are_there, selectors_match_labels, targets_are_there
from tests.deploy.checks.variables import selectors_know_their_redis, variables_are_settings, wrong_variables

__all__ = ["CHECKS", "is_open_route", "is_pinned", "wrong_variables"]

CHECKS = (
    selectors_match_labels,
    ports_are_there,
    targets_are_there,
    mounts_have_volumes,
    files_are_mounted,
    requests_are_within_limits,
    redis_fits_into_its_memory,
    services_are_probed,
    probes_hit_routes,
    variables_are_settings,
    selectors_know_their_redis,
    images_are_pinned,
    pods_are_restricted,
    admins_are_gone_when_work_begins,
    pods_end_in_time,
    only_allowed_traffic_passes,
)
