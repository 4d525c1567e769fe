"""What tap-lucca, target-elimity and lucca-gateway share."""
