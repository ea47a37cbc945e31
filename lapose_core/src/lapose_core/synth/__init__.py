"""The synthetic driving world: any amount of driving video with exact poses, from a seed.

The kernels are compiled by numba at first use (about half a minute) and cached beside the sources. The cache
looks at each file by itself: after editing a kernel that another file's kernel calls, delete ``__pycache__``.
"""

from lapose_core.synth.drive import SynthConfig, SyntheticDrive

__all__ = ["SynthConfig", "SyntheticDrive"]
