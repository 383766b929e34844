#!/usr/bin/python3
"""An HTTP proxy on 127.0.0.1 in front of one store, which makes the faults that real ones make.

    faultproxy.py PORT TARGET_HOST:PORT RULES_FILE [--log FILE] [--credentials FILE]

With port 0 it takes a free one.  When it is ready it prints "port N".  The client uses the proxy as
its endpoint; requests go on as they are, so their signatures hold.  Rules are in fault_rules.py:
METHOD PATH_REGEX FAULT [ARGUMENT...] [after=N] [every=N] [once].  The faults:

    status CODE [S3_CODE [SECONDS]]  that answer, with Retry-After, and the store is not asked
    reset-connect      reset the connection before the store sees anything
    reset-up N         reset it after N bytes of the request's body
    hang-up N          take nothing more after N bytes of it
    corrupt-up N       flip a bit of its byte N
    ack-lost           the store does it; then a reset instead of the answer
    hang [N]           the same, and nothing more is sent; with N after N bytes of the body
    delay SECONDS      before the answer
    drop-status        the answer without its first line
    reset N            reset the connection after N bytes of the answer's body
    truncate N         end it there properly
    corrupt N          flip a bit of its byte N
    rate BYTES         a second, both bodies
    stale-list         a list (list-type=2) gets the answer of the last time it had no such rule
    lie-lock           object locks are confirmed and shown, and not set (needs --credentials)
    skew SECONDS       the store's clock is ahead so much: it refuses requests of another time and
                       says its own in Date (beyond 15 minutes it needs --credentials)
    header NAME [VALUE]  the store does not see that header, or another value of it (needs
                       --credentials)

A body that is shorter than N gets through whole.  The log has one line for each request, written
before the client has all of the answer:

    METHOD TARGET STATUS BYTES_UP BYTES_DOWN FAULT CONNECTION

with "-" for no status, no fault; "broken" if the client or the store went away by itself.  The
status is that of the answer, even if the fault keeps it from the client.
"""

import argparse
import itertools
import os
import signal
import socket
import sys
import threading

sys.dont_write_bytecode = True  # it would be in the source tree
from fault_exchange import Exchange, Reset
from fault_http import Closed, Request, Stream, readable
from fault_lock import Lies
from fault_rules import Rules
from fault_sign import Signer


class Proxy:
    """What all connections share."""

    def __init__(self, options):
        host, _, port = options.target.rpartition(":")
        self.target = (host, int(port))
        self.rules = Rules(options.rules)
        self.signer = Signer(options.credentials) if options.credentials else None
        self.lies, self.lists = Lies(), {}
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._log = os.open(options.log, flags, 0o644) if options.log else None

    def note(self, *words):
        """One line of the log."""
        if self._log is not None:
            os.write(self._log, (" ".join(str(word) for word in words) + "\n").encode())


class Connection:
    """One of a client, and the one to the store that belongs to it."""

    def __init__(self, proxy, sock, number):
        self.proxy, self.client, self.number = proxy, Stream(sock), number
        self.target = None

    def serve(self):
        """Until one side has enough."""
        try:
            while True:
                request = self.client.head(Request)
                if request is None or not Exchange(self, request).run():
                    break
        except Reset:
            for stream in (self.client, self.target):
                if stream:
                    stream.reset()
        except Closed:
            pass
        for stream in (self.target, self.client):
            if stream:
                stream.close()

    def reach(self):
        """The connection to the store, a new one if it has closed the old one."""
        if self.target and readable(0, self.target):
            self.target.close()
            self.target = None
        if not self.target:
            try:
                self.target = Stream(socket.create_connection(self.proxy.target, 10))
                self.target.sock.settimeout(None)
            except OSError as error:
                raise Closed(None) from error
        return self.target


def main():
    """Serve until a signal."""
    parser = argparse.ArgumentParser(description="A proxy that makes faults.")
    parser.add_argument("port", type=int)
    parser.add_argument("target")
    parser.add_argument("rules")
    parser.add_argument("--log")
    parser.add_argument("--credentials")
    options = parser.parse_args()
    proxy = Proxy(options)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = socket.create_server(("127.0.0.1", options.port), backlog=256)
    print("port", listener.getsockname()[1], flush=True)
    for number in itertools.count(1):
        sock, _ = listener.accept()
        connection = Connection(proxy, sock, number)
        threading.Thread(target=connection.serve, daemon=True).start()


if __name__ == "__main__":
    main()
