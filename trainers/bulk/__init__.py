"""Parsing very many photos by Apache Beam."""
