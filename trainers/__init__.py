"""Training, evaluation, prediction and export: the custom loop and its scripts."""
