"""Names that events, settings and metrics share; this room imports nothing."""
