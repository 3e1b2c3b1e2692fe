"""A client of a served model."""
