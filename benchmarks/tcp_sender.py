"""What loopback TCP can do from Python: `sendall` of 1 MiB pieces of one buffer. Run by servers.running_sender."""

import os
import socket
import sys

PIECE_BYTES = 1 << 20


def serve(port: int) -> None:
    piece = os.urandom(PIECE_BYTES)
    view = memoryview(piece)
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                while request := connection.recv(8, socket.MSG_WAITALL):
                    left = int.from_bytes(request, "big")
                    while left > 0:
                        connection.sendall(view[: min(left, PIECE_BYTES)])
                        left -= PIECE_BYTES


if __name__ == "__main__":
    serve(int(sys.argv[1]))
