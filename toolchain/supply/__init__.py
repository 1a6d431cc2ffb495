"""What the project depends on: held against known vulnerabilities, and renewed."""
