"""Trajectories written to other programs' formats: one file a format."""
