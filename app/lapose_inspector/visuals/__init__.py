"""vispy: one adapter for each thing drawn."""
