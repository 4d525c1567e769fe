"""Custom gateway for Elimity Insights: it pulls the employees of Lucca HR."""
