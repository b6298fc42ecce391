"""Messages about alerts: what is due to whom, its text, and the channels that carry it."""
