"""Imported once by what the processes beside the window are forked from, and by each where there is no such thing.

Nothing may be computed here: threads do not survive a fork, and a graphics card is of one process only.
"""
# ruff: noqa: E402

import os

from lapose_core.frames.heap import steady_heap
from lapose_core.priority import stand_back

# Before the imports, which take seconds of a core. Whoever is forked from here is as nice from the beginning.
stand_back()
steady_heap()
# Else Arrow's allocator, and what pandas imports where it is installed, start threads as they are loaded.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
os.environ.setdefault("NUMEXPR_NUM_THREADS", "1")

import pyarrow

from lapose_core import area_mean  # noqa: F401
from lapose_core.frames import box_mean  # noqa: F401
from lapose_core.inference import analysis, checking, confidence, explain, reconstruction, store  # noqa: F401
from lapose_core.training import checkpoints  # noqa: F401
from lapose_inspector.beside import analysis_loop  # noqa: F401

# At its first array it imports pandas where that is installed.
pyarrow.array([0.0])
