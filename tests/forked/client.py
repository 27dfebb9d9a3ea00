"""Has the server fork a command, waits for its end, and ends as it did."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

SECONDS_MAX = 30
SAYS_PID = "FORKED_SAYS_PID"
HERE = Path(__file__).resolve().parent


def connect() -> socket.socket:
    """Return a connection; the server may still be loading."""
    address = str(HERE.parent / "socket")
    until = time.monotonic() + SECONDS_MAX
    while True:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            server.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return server


def main() -> None:
    """Be the command."""
    server = connect()
    asked = {
        "module": HERE.name,
        "arguments": sys.argv[1:],
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
    }
    data = json.dumps(asked).encode()
    socket.send_fds(server, [len(data).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(data)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT):
        signal.signal(number, lambda number, _: server.send(bytes([number])))
    pid = server.recv(8, socket.MSG_WAITALL)
    if SAYS_PID in os.environ:
        os.write(int(os.environ[SAYS_PID]), pid)
    said = server.recv(2, socket.MSG_WAITALL)
    if not said:
        sys.exit("the process that forks commands is gone")
    status = int.from_bytes(said, "big", signed=True)
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


main()
