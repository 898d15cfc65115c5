"""The job store: every job, child and record, kept across restarts."""
