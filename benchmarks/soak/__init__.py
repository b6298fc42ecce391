"""Benchmarks that take an hour: not part of `make bench`; `make soak` runs them."""
