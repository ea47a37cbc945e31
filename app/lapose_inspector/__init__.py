"""The LA-Pose Inspector: watch a camera-pose model run on a driving log, and see where and why it fails."""

__version__ = "0.1.0"
