"""The model, and the order of its steps."""
