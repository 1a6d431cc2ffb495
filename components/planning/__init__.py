"""Pure planning: from configuration to names, labels, specs and build contexts. Nothing here talks to Pulumi."""
