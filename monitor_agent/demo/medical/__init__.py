"""Diagnoses: real cases, a numeric model behind the model server, and a doctor's label for a third of the cases."""
