"""A custom gateway for Elimity Insights, which imports the employees of Lucca HR."""
