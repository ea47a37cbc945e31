"""The measurements behind docs/results.md: one experiment a file, each writing one JSON that the report is made of.

An experiment is an :class:`~lapose_core.experiments.record.Experiment`: what decides its result (``settings``) and what
measures it (``run``). It is measured again when, and only when, one of its settings has changed; the hash of the
checkpoint is among them. ``catalogue`` lists them.
"""
