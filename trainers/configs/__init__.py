"""Stages and schedules of runs, and overrides of them."""
