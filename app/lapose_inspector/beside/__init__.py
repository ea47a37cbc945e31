"""What runs in processes beside the window: no Qt here. There it computes as it likes, and never holds Python's lock
of the window's thread."""
