"""Reads files of rows: CSV, NDJSON and Parquet."""
