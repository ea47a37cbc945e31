"""LA-Pose: latent actions learned from unlabelled driving video, repurposed for camera pose."""

__version__ = "0.1.0"
