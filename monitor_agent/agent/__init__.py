"""The agent: one cycle, a backfill, and what runs them again and again."""
