"""Singer tap for Lucca HR: users and work contracts."""
