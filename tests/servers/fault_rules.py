"""The rules of the fault proxy: which fault a request gets.

A rule is one line, METHOD PATH_REGEX FAULT [ARGUMENT...] [after=N] [every=N] [once].  The method may
be "*"; the expression is searched for in path and query, as they were sent.  Empty lines and those
that begin with "#" are skipped.  The first rule that fits and is due decides.

A rule counts the requests that fit: after=N lets the first N pass, every=N takes each Nth of the
others, once stops after the first that was taken.  The counts begin anew whenever the file is
written, so replace it by rename.
"""

import collections
import os
import re
import threading

Fault = collections.namedtuple("Fault", "name arguments")


class RuleError(Exception):
    """A line that is no rule."""


def _integer(text):
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _seconds(text):
    value = float(text)
    if not 0 <= value < 86400:
        raise ValueError
    return value


def _signed(text):
    value = float(text)
    if not abs(value) < 1e9:
        raise ValueError
    return value


def _status(text):
    value = int(text)
    if not 200 <= value <= 599:
        raise ValueError
    return value


def _rate(text):
    value = int(text)
    if value <= 0:
        raise ValueError
    return value


# What each fault takes: the needed arguments, then the ones that may be left out.
FAULTS = {
    "status": ([_status], [str, _integer]),
    "reset": ([_integer], []),
    "reset-up": ([_integer], []),
    "reset-connect": ([], []),
    "truncate": ([_integer], []),
    "ack-lost": ([], []),
    "corrupt": ([_integer], []),
    "corrupt-up": ([_integer], []),
    "hang": ([], [_integer]),
    "hang-up": ([_integer], []),
    "delay": ([_seconds], []),
    "rate": ([_rate], []),
    "stale-list": ([], []),
    "lie-lock": ([], []),
    "skew": ([_signed], []),
    "header": ([str], [str]),
    "drop-status": ([], []),
}


class Rule:
    """One line, and how often it fitted."""

    def __init__(self, line):
        words = line.split()
        self.once, self.every, self.after = False, 1, 0
        while words and self._option(words[-1]):
            words.pop()
        if len(words) < 3 or words[2] not in FAULTS:
            raise RuleError("METHOD PATH_REGEX FAULT is needed")
        if not re.fullmatch(r"\*|[A-Z]+", words[0]):
            raise RuleError("no method is called %s" % words[0])
        self.method, self.path = words[0], re.compile(words[1])
        needed, more = FAULTS[words[2]]
        given = words[3:]
        if not len(needed) <= len(given) <= len(needed) + len(more):
            raise RuleError("%s takes other arguments" % words[2])
        parsers = needed + more
        self.fault = Fault(words[2], [parse(text) for parse, text in zip(parsers, given)])
        self.seen = self.taken = 0

    def _option(self, word):
        name, _, value = word.partition("=")
        if word == "once":
            self.once = True
        elif name == "every" and value:
            self.every = max(1, int(value))
        elif name == "after" and value:
            self.after = int(value)
        else:
            return False
        return True

    def take(self, method, target):
        """Count the request if it fits; true if it gets the fault."""
        if self.method not in ("*", method) or not self.path.search(target):
            return False
        self.seen += 1
        beyond = self.seen - self.after
        if beyond <= 0 or beyond % self.every or (self.once and self.taken):
            return False
        self.taken += 1
        return True


def parse(text):
    """The rules of a file's text."""
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            rules.append(Rule(line))
        except (RuleError, ValueError, re.error) as error:
            raise RuleError("line %d: %s" % (number, error)) from error
    return rules


class Rules:
    """Those of a file, which is looked at for every request.  A missing file has none."""

    def __init__(self, path):
        self._path, self._version, self._rules = path, None, []
        self._lock = threading.Lock()

    def pick(self, method, target):
        """The fault for a request, or None.  Raises RuleError."""
        with self._lock:
            self._refresh()
            for rule in self._rules:
                if rule.take(method, target):
                    return rule.fault
        return None

    def _refresh(self):
        try:
            with open(self._path, encoding="utf-8") as file:
                status = os.fstat(file.fileno())
                version = (status.st_ino, status.st_mtime_ns, status.st_size)
                if version != self._version:
                    self._version, self._rules = None, parse(file.read())
                    self._version = version
        except FileNotFoundError:
            self._version, self._rules = None, []
