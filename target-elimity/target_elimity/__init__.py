"""Singer target for Elimity Insights: one whole snapshot of employees a run."""
