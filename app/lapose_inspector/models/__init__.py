"""The state of the application: evented, and free of Qt and of vispy."""
