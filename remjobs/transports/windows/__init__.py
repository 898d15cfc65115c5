"""How work becomes a command line for Windows hosts, whatever carries it there."""
