"""What the benchmarks of the agent stand on: a node of their own, generated events, processes that are measured."""
