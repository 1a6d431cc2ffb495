"""Benchmarks that every performance claim of this project rests on; `make bench NAME=<name>` runs one."""
