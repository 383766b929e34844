"""A store that lies about Object Lock: it says yes, shows what was asked for, and locks nothing."""

import re
import threading

MODE, UNTIL = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"
HOLD = "x-amz-object-lock-legal-hold"
FIELDS = {MODE: "Mode", UNTIL: "RetainUntilDate", HOLD: "Status"}


class Lies:
    """What was asked for, by path."""

    def __init__(self):
        self._asked, self._lock = {}, threading.Lock()

    def strip(self, request):
        """Take lock headers off a request and remember them; true if there were any."""
        asked = {name: value for name, value in request.pairs() if name in FIELDS}
        if not asked:
            return False
        self._remember(request.path, asked)
        request.remove("x-amz-object-lock-.*")
        return True

    def claim(self, request, answer):
        """Put them into the answer of a HEAD or GET."""
        if request.method in ("HEAD", "GET") and answer.status in (200, 206):
            for name, value in self._of(request.path).items():
                answer.set(name, value)

    def about_lock(self, request):
        """The request reads or writes the lock itself."""
        query = request.target.partition("?")[2].split("&")
        names = {part.partition("=")[0] for part in query}
        return bool(names & {"retention", "legal-hold"}) and request.method in ("GET", "PUT")

    def answer(self, request, body):
        """The body of the answer to such a request."""
        if request.method == "PUT":
            found = {name: re.search(b"<%s>([^<]*)<" % field.encode(), body)
                     for name, field in FIELDS.items()}
            self._remember(request.path, {name: match.group(1).decode()
                                          for name, match in found.items() if match})
            return b""
        names, root = ((HOLD,), "LegalHold") if "legal-hold" in request.target else (
            (MODE, UNTIL), "Retention")
        asked = self._of(request.path)
        inner = "".join("<{0}>{1}</{0}>".format(FIELDS[name], asked[name])
                        for name in names if name in asked)
        return '<?xml version="1.0"?><{0}>{1}</{0}>'.format(root, inner).encode()

    def _remember(self, path, asked):
        with self._lock:
            self._asked.setdefault(path, {}).update(asked)

    def _of(self, path):
        with self._lock:
            return dict(self._asked.get(path, {}))
