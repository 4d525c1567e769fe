"""Benchmarks: compare tap and target with their floors, and check that they scale with the company."""
