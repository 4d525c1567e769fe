"""Benchmarks: how far from the floor the two programs are, and whether they stay flat."""
