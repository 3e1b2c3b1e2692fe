"""Serving by TensorFlow Serving: see README.md beside this file."""
