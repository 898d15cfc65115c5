"""The demo: a fleet of SSH servers in this process, and a walk through the main job."""
