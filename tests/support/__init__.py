"""What the integration tests and the benchmarks share: a checkout to work in, a load, a registry client."""
