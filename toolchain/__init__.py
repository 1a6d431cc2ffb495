"""Finds, downloads or builds what a local stack needs, runs Pulumi with it, and stops what it started."""
