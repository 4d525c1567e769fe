"""A simulated Lucca and Elimity Insights on loopback, for the demo, the tests and the benchmarks."""
