"""What the benchmarks stand on: a node of their own, generated events, processes that are measured, stand-ins."""
