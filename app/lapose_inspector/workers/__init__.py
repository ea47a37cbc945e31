"""What runs off the GUI thread: decoding, inference, reconstruction, projection."""
