"""Frames at once: one store of a drive's pictures over its decoder, a proxy on disk and one budget of memory."""
