"""Sequential tests: evidence of a fall that adds up over windows, however often it is looked at."""
