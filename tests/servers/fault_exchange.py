"""One request and its answer on their way through the fault proxy."""

import calendar
import email.utils
import select
import sys
import time

from fault_http import Answer, Closed, readable
from fault_rules import RuleError
from fault_sign import STAMP

CODES = {403: "AccessDenied", 404: "NoSuchKey", 409: "OperationAborted", 412: "PreconditionFailed",
         429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}
LIST_MAX = 16 << 20
HANG_S = 3600


class Reset(Exception):
    """Both connections end with a reset."""


class Stop(Exception):
    """The fault's place in a body is reached."""


class Exchange:
    """One request and its answer."""

    def __init__(self, connection, request):
        self.proxy, self.client = connection.proxy, connection.client
        self.connection, self.request = connection, request
        self.up = self.down = 0
        self.status, self.fault, self.arguments = "-", "-", []
        self.noted, self.keep, self.answer = False, not request.closes, None
        self.target = None

    def run(self):
        """True if another request may follow."""
        try:
            self._choose()
            if not self._refuse():
                self._ask()
                self._reply()
        except Closed:
            self.fault = "broken" if self.fault == "-" else self.fault
            raise Reset from None
        finally:
            self._note()
        return self.keep

    def _note(self):
        if not self.noted:
            self.noted = True
            self.proxy.note(self.request.method, self.request.target, self.status, self.up,
                            self.down, self.fault, self.connection.number)

    def _argument(self, *faults):
        """The first argument if it is one of those faults."""
        return self.arguments[0] if self.fault in faults and self.arguments else None

    # --- before the store is asked ---

    def _choose(self):
        try:
            fault = self.proxy.rules.pick(self.request.method, self.request.target)
        except RuleError as error:
            print("faultproxy: rules:", error, file=sys.stderr, flush=True)
            self.fault, self.arguments = "bad-rules", [500, "FaultProxyRules"]
            return
        if fault:
            self.fault, self.arguments = fault.name, fault.arguments

    def _refuse(self):
        """Answer without the store if the fault says so."""
        if self.fault == "reset-connect":
            raise Reset
        if self.fault in ("status", "bad-rules"):
            self._say(*self.arguments)
        elif self.fault == "stale-list" and self.request.target in self.proxy.lists:
            self.status = 200
            self._finish(self.proxy.lists[self.request.target])
        elif self.fault == "lie-lock" and self.proxy.lies.about_lock(self.request):
            self._send_own(200, self.proxy.lies.answer(self.request, self._take_body()))
        elif self.fault == "skew" and self._too_skewed():
            self._say(403, "RequestTimeTooSkewed")
        else:
            return False
        return True

    def _say(self, status, code=None, retry_after=1):
        code = code or CODES.get(status, "InternalError")
        body = ('<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>made by the '
                "fault proxy</Message><RequestId>fault-%d</RequestId></Error>"
                % (code, self.connection.number))
        more = ["Retry-After: %d" % retry_after] if status in (429, 503) else []
        if self.request.get("expect"):
            self.keep = False
        else:
            self._take_body()
        self._send_own(status, body.encode(), more)

    def _send_own(self, status, body, more=()):
        ahead = self._argument("skew") or 0
        lines = ["HTTP/1.1 %d Fault" % status, "Content-Type: application/xml",
                 "Date: " + email.utils.formatdate(time.time() + ahead, usegmt=True),
                 "Content-Length: %d" % len(body), *more]
        if not self.keep:
            lines.append("Connection: close")
        self.status = status
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        bare = self.request.method == "HEAD" or status in (204, 304)
        self._finish(head + (b"" if bare else body))

    def _finish(self, data):
        self._note()
        self.client.send(data)

    def _take_body(self):
        """Read a body that does not go on; what is kept of it is enough for any XML."""
        if self.request.get("expect"):
            self.client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        kept = bytearray()
        for data, payload, _ in self._body():
            if payload:
                self.up += len(data)
                kept += data[:max(0, 65536 - len(kept))]
        return bytes(kept)

    def _body(self):
        length = self.request.length
        return self.client.in_chunks() if length is None else self.client.sized(length)

    def _too_skewed(self):
        stamp = self.request.get("x-amz-date")
        if not stamp:
            return False
        sent = calendar.timegm(time.strptime(stamp, STAMP))
        return abs(sent - time.time() - self.arguments[0]) > 900

    # --- the request ---

    def _ask(self):
        request = self.request
        changed = self.fault == "lie-lock" and self.proxy.lies.strip(request)
        if self.fault == "skew" and self.proxy.signer:
            changed = True
        if self.fault == "header":
            changed = self._change_header(*self.arguments)
        if changed:
            if not self.proxy.signer:
                print("faultproxy: %s needs --credentials" % self.fault, file=sys.stderr)
                raise Reset
            self.proxy.signer.sign(request)
        self.target = self.connection.reach()
        self.target.send(request.raw())
        try:
            self._upload()
        except Stop:
            if self.fault == "hang-up":
                self._hang()
            raise Reset from None
        while self.answer is None:
            self._take_head()

    def _change_header(self, name, value=None):
        """True if the request had it."""
        had = self.request.get(name.lower()) is not None
        if had and value is not None:
            self.request.set(name, value)
        else:
            self.request.remove(name.lower())
        return had

    def _upload(self):
        pieces = self._body()
        pump = Pump(self.target, self._argument("reset-up", "hang-up"),
                    self._argument("corrupt-up"), self._argument("rate"))
        try:
            while self._client_is_next():
                piece = next(pieces, None)
                if piece is None:
                    return
                data, payload, last = piece
                self.up = pump.reach(data, payload)
                pump.pass_on(data, payload)
                if last:
                    return
            # It has answered before it had everything: nobody wants the rest.
            self.keep = False
        except Closed as error:
            if error.args[0] is not self.target:
                raise
            # Perhaps it has said why before it closed.
            self.keep = False
            self._take_head()

    def _client_is_next(self):
        """Wait for more of the body; false if the answer has come instead."""
        if self.request.length == 0:
            return True
        while not self.client.early:
            if self.target not in readable(None, self.client, self.target):
                break
            self._take_head()
            if self.answer:
                return False
        return True

    def _take_head(self):
        """The next head of the store; an interim one goes on to the client at once."""
        answer = self.target.head(Answer)
        if answer is None:
            raise Closed(self.target)
        if answer.status < 200:
            self.client.send(answer.raw())
        else:
            self.answer = answer

    # --- the answer ---

    def _reply(self):
        answer, length = self.answer, self.answer.length(self.request.method)
        self.status = answer.status
        to_the_end = length is None and not answer.chunked
        self.keep = self.keep and not answer.closes and not to_the_end
        if not self.keep and not to_the_end:
            answer.set("Connection", "close")
        self._before_answer()
        raw = answer.raw()
        if self.fault == "drop-status":
            raw = raw[raw.index(b"\r\n") + 2:]
            self.keep = False
        if length == 0:
            self._finish(raw)
            if self._argument("reset", "hang") == 0:
                self._at_the_stop()
            return
        self.client.send(raw)
        pieces = (self.target.to_the_end() if to_the_end else
                  self.target.in_chunks() if length is None else self.target.sized(length))
        try:
            self._download(pieces, raw)
        except Stop:
            self._at_the_stop()

    def _before_answer(self):
        if self.fault == "ack-lost":
            raise Reset
        if self.fault == "hang" and not self.arguments:
            self._hang()
        if self.fault == "delay":
            time.sleep(self.arguments[0])
        if self.fault == "skew":
            self.answer.set("Date", email.utils.formatdate(
                time.time() + self.arguments[0], usegmt=True))
        if self.fault == "lie-lock":
            self.proxy.lies.claim(self.request, self.answer)

    def _download(self, pieces, raw):
        pump = Pump(self.client, self._argument("reset", "truncate", "hang"),
                    self._argument("corrupt"), self._argument("rate"))
        record = None
        if self._is_list() and self.fault != "stale-list" and self.status == 200:
            record = bytearray(raw)
        for data, payload, last in pieces:
            self.down = pump.reach(data, payload)
            if record is not None:
                record += data
            if last:
                self._remember(record)
                self._note()
            pump.pass_on(data, payload)

    def _is_list(self):
        return self.request.method == "GET" and "list-type=2" in self.request.target

    def _remember(self, record):
        if record is not None and len(record) <= LIST_MAX:
            self.proxy.lists[self.request.target] = bytes(record)

    def _at_the_stop(self):
        if self.fault == "hang":
            self._hang()
        self._note()
        if self.fault == "reset":
            raise Reset
        # Truncated: to the client it looks like an orderly end.
        self.target.reset()
        self.keep = False

    def _hang(self):
        """Until the client goes away."""
        self._note()
        poll = select.poll()
        poll.register(self.client, select.POLLRDHUP)
        poll.poll(HANG_S * 1000)
        raise Reset


class Pump:
    """Passes a body on, with the faults that are at a place in it."""

    def __init__(self, out, stop, flip, rate):
        self.out, self.stop, self.flip, self.rate = out, stop, flip, rate
        self.position, self.begin = 0, time.monotonic()

    def reach(self, data, payload):
        """Where in the body pass_on will end."""
        end = self.position + (len(data) if payload else 0)
        return end if self.stop is None else min(end, self.stop)

    def pass_on(self, data, payload):
        """Stop if that is where the fault is."""
        if not payload:
            self.out.send(data)
            return
        if self.stop is not None and self.position + len(data) >= self.stop:
            self.out.send(data[:self.stop - self.position])
            raise Stop
        if self.flip is not None and 0 <= self.flip - self.position < len(data):
            data = bytearray(data)
            data[self.flip - self.position] ^= 1
        self._send(data)
        self.position += len(data)

    def _send(self, data):
        """At the rate, in steps of a twentieth of a second."""
        step = max(1, self.rate // 20) if self.rate else len(data)
        for at in range(0, len(data), step):
            if self.rate:
                due = self.begin + (self.position + at) / self.rate
                time.sleep(max(0, due - time.monotonic()))
            self.out.send(data[at:at + step])
