"""Background jobs for a whole fleet."""
