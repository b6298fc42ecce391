"""The tools of the benchmarks: a node of their own, generated events, measured processes, stand-ins."""
