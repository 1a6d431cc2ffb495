"""All rules of the pack."""

from policy import placement, workloads

RULES = (*workloads.RULES, *placement.RULES)
