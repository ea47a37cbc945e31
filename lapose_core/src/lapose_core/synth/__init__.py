"""The synthetic driving world: any amount of driving video with exact poses, from a seed."""

from lapose_core.synth.drive import SynthConfig, SyntheticDrive

__all__ = ["SynthConfig", "SyntheticDrive"]
