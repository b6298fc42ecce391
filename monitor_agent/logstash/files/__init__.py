"""The files that a pipeline reads and follows, and the files that it writes."""
