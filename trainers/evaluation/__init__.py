"""Croppers, subgroups and tables that scoring needs."""
