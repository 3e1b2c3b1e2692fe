"""Models for inference alone, and the search for the face."""
