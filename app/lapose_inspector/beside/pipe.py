"""Messages between the window and a process beside it."""

from __future__ import annotations

import pickle
import threading
from multiprocessing.connection import Connection


class Pipe:
    """One end. ``send`` from any thread, ``receive`` from one.

    Messages are pickled. Both ends are this program: the pipe has no name and nobody else can write into it. What a
    log or a checkpoint holds is read by its own reader on one side and travels as arrays and dataclasses of ours.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """Send any picklable object.

        Raises:
            OSError: where the other end is gone.
            pickle.PicklingError, AttributeError, TypeError: where the message cannot be pickled; nothing is sent.
        """
        # Arrays go beside the pickle: making and reading it would keep Python's lock as long as copying them takes.
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        parts = [buffer.raw() for buffer in buffers]
        with self._sending:
            self._connection.send_bytes(pickle.dumps([part.nbytes for part in parts]))
            self._connection.send_bytes(head)
            for part in parts:
                self._connection.send_bytes(part)

    def poll(self, seconds: float) -> bool:
        """Whether there is something to receive, at the latest after ``seconds``; so also at the end."""
        return self._connection.poll(seconds)

    def receive(self) -> object:
        """Wait for the next message.

        Raises:
            EOFError, OSError: where the other end is gone.
        """
        sizes = pickle.loads(self._connection.recv_bytes())
        head = self._connection.recv_bytes()
        buffers = [bytearray(size) for size in sizes]
        for buffer in buffers:
            self._connection.recv_bytes_into(buffer)
        return pickle.loads(head, buffers=buffers)

    def close(self) -> None:
        with self._sending:
            self._connection.close()
