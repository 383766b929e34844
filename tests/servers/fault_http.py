"""HTTP/1.1 messages on sockets, as far as a proxy needs them: heads as lines, bodies as pieces."""

import re
import select
import socket
import struct

PIECE = 512 * 1024
HEAD_MAX = 256 * 1024


class Head:
    """A start line and header lines.  What nobody changes goes on byte by byte."""

    def __init__(self, raw):
        lines = raw.split(b"\r\n")
        self.start = lines[0].decode("latin-1")
        self.lines = [line.decode("latin-1") for line in lines[1:] if line]

    def raw(self):
        """The bytes, with the empty line at the end."""
        return ("\r\n".join([self.start] + self.lines) + "\r\n\r\n").encode("latin-1")

    def get(self, name, default=None):
        """The value of the first header of that name (in lower case)."""
        for line in self.lines:
            key, _, value = line.partition(":")
            if key.strip().lower() == name:
                return value.strip()
        return default

    def pairs(self):
        """All headers, names in lower case."""
        for line in self.lines:
            key, _, value = line.partition(":")
            yield key.strip().lower(), value.strip()

    def remove(self, pattern):
        """Remove the headers whose whole name (in lower case) fits."""
        self.lines = [
            line for line in self.lines
            if not re.fullmatch(pattern, line.partition(":")[0].strip().lower())
        ]

    def set(self, name, value):
        """Put a header in place of all of that name."""
        self.remove(re.escape(name.lower()))
        self.lines.append("%s: %s" % (name, value))

    @property
    def chunked(self):
        """The body comes in chunks."""
        return "chunked" in self.get("transfer-encoding", "").lower()

    @property
    def closes(self):
        """The sender closes the connection after this message."""
        option = self.get("connection", "").lower()
        if "HTTP/1.0" in self.start:
            return "keep-alive" not in option
        return "close" in option


class Request(Head):
    """METHOD TARGET HTTP/1.1"""

    def __init__(self, raw):
        super().__init__(raw)
        self.method, self.target, _ = self.start.split(" ", 2)

    @property
    def path(self):
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def length(self):
        """Of the body in bytes; None if it is chunked."""
        return None if self.chunked else int(self.get("content-length", "0"))


class Answer(Head):
    """HTTP/1.1 STATUS REASON"""

    def __init__(self, raw):
        super().__init__(raw)
        self.status = int(self.start.split(" ", 2)[1])

    def length(self, method):
        """Of the body in bytes; None if it is chunked or ends with the connection."""
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            return 0
        if self.chunked:
            return None
        length = self.get("content-length")
        return None if length is None else int(length)


class Closed(Exception):
    """The other side of the stream that is the argument has closed it, or it is broken."""


def readable(timeout_s, *streams):
    """Those with something to read, or at their end; None for the time waits for ever."""
    poll = select.poll()
    for stream in streams:
        poll.register(stream, select.POLLIN)
    ready = {fd for fd, _ in poll.poll(None if timeout_s is None else timeout_s * 1000)}
    return [stream for stream in streams if stream.fileno() in ready]


class Stream:
    """A socket, with what was read from it too early."""

    def __init__(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.early = sock, b""
        self._buffer = memoryview(bytearray(PIECE))

    def fileno(self):
        """For poll."""
        return self.sock.fileno()

    def send(self, data):
        """All of it."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Closed(self) from error

    def _receive(self, most):
        try:
            got = self.sock.recv_into(self._buffer, most)
        except OSError as error:
            raise Closed(self) from error
        return self._buffer[:got]

    def _until(self, mark):
        """What comes up to the mark and with it; None if there is nothing more."""
        data = bytearray(self.early)
        while mark not in data:
            more = self._receive(65536)
            if not more and not data:
                return None
            if not more or len(data) > HEAD_MAX:
                raise Closed(self)
            data += more
        end = data.index(mark) + len(mark)
        self.early = bytes(data[end:])
        return bytes(data[:end])

    def head(self, kind):
        """The next head, of that class; None at the end of the connection."""
        raw = self._until(b"\r\n\r\n")
        try:
            return None if raw is None else kind(raw)
        except (ValueError, IndexError) as error:
            raise Closed(self) from error

    def piece(self, most):
        """Up to so many bytes, valid until the next call; Closed at the end."""
        if self.early:
            data, self.early = self.early[:most], self.early[most:]
            return memoryview(data)
        data = self._receive(min(most, PIECE))
        if not data:
            raise Closed(self)
        return data

    def sized(self, length):
        """The pieces of a body of that length: (data, is payload, is the last)."""
        while length:
            data = self.piece(length)
            length -= len(data)
            yield data, True, not length

    def in_chunks(self):
        """The same of a chunked one; sizes and the like are no payload."""
        while True:
            line = self._until(b"\r\n") or b""
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError as error:
                raise Closed(self) from error
            if not size:
                break
            yield line, False, False
            for data, _, _ in self.sized(size):
                yield data, True, False
            yield self._until(b"\r\n"), False, False
        tail = line
        while True:
            line = self._until(b"\r\n") or b"\r\n"
            tail += line
            if line == b"\r\n":
                break
        yield tail, False, True

    def to_the_end(self):
        """The same of one that ends with the connection."""
        while True:
            try:
                data = self.piece(PIECE)
            except Closed:
                return
            yield data, True, False

    def reset(self):
        """Close so that the other side sees a reset, not an end."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.sock.close()

    def close(self):
        """Close so that what was sent arrives, even if something unread has come meanwhile."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(2)
            while self.sock.recv_into(self._buffer):
                pass
        except OSError:
            pass
        self.sock.close()
