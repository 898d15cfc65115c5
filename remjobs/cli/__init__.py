"""The command line: one module a verb, each thin over JobService."""
