"""The policy pack: rules that hold for whatever a stack deploys. `policy/__main__.py` hands them to Pulumi."""
