"""PowerShell as the program that runs work: how it is called, and its streams."""
