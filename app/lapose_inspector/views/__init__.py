"""Qt widgets: one panel a file, constructed with the models they show."""
