"""The engine: the life of a job, from its start to its end."""
