"""Opens, resets and closes connections until it is ended (tests/conditions.sh)."""

import socket
import struct
import time

RESET = struct.pack("ii", 1, 0)
listeners = [socket.create_server(("127.0.0.1", 0)), socket.create_server(("::1", 0), family=socket.AF_INET6)]
while True:
    for listener in listeners:
        client = socket.create_connection(listener.getsockname()[:2])
        server, _ = listener.accept()
        client.sendall(b"x" * 20_000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        server.close()
    # Refused.
    probe = socket.socket()
    probe.settimeout(1)
    probe.connect_ex(("127.0.0.1", 9))
    probe.close()
    time.sleep(0.01)
