"""The custom loop, its losses and optimizers."""
