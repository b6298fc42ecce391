"""What the agent knows without asking anyone: windows, label rules, request bodies, documents. No client, no clock."""
