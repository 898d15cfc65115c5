"""The controller: the process that hosts the engine, and how clients reach it."""
