"""A Lucca and an Elimity Insights to run against on loopback: for the demo, the tests and the benchmarks."""
