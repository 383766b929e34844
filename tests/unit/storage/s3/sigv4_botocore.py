#!/usr/bin/python3
"""Random requests, signed by the program's signer and by botocore's: both must say the same.

usage: sigv4_botocore.py SIGN-LINES

SIGN-LINES is the program of that name.  The seed is the same in every run, and another one, with
more requests, if TOZAI_LONG is set; it is printed, so that a failure can be repeated with
TOZAI_TEST_SEED.  TOZAI_TEST_ROUNDS is the number of requests.
"""

import hashlib
import os
import random
import subprocess
import sys
import time
from types import SimpleNamespace
from urllib.parse import quote

SKIPPED = 77
try:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError as error:
    print(f"skipped: no botocore ({error}); Debian has it as python3-botocore")
    sys.exit(SKIPPED)

ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
NAME = "abz019-_." + "!#$%&'*+^`|~"
PIECES = [b"/", b"//", b"/../", b"/./", b"..", b".", b"%2F", b"%", b"+", b" ", b"  ", b"&=?#",
          "ä".encode(), "日本".encode(), b"a\xcc\x88", "\U0001f600".encode()]
HEADERS = ["Range", "Content-Type", "Content-MD5", "If-None-Match", "x-amz-copy-source",
           "x-amz-copy-source-range", "x-amz-server-side-encryption",
           "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-object-lock-mode",
           "x-amz-object-lock-retain-until-date", "x-amz-meta-a", "x-amz-meta-a-b",
           "x-amz-meta-a0", "x-amz-meta-a.b", "x-amz-meta-a_b", "x-amz-meta", "x-amz"]
QUERIES = ["list-type", "prefix", "delimiter", "continuation-token", "uploads", "uploadId",
           "partNumber", "versionId", "a", "a-b", "a b", "A", "~"]


class Draw:
    """What requests are made of."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self, alphabet, low, high):
        return "".join(self.random.choices(alphabet, k=self.random.randint(low, high)))

    def one_in(self, times):
        return self.random.randrange(times) == 0

    def raw(self, longest):
        """Any bytes but NUL, with what is special here more often."""
        out = b""
        for _ in range(self.random.randint(0, longest)):
            kind = self.random.randrange(4)
            if kind == 0:
                out += self.random.choice(PIECES)
            elif kind == 1:
                out += bytes([self.random.randint(1, 255)])
            else:
                out += self.text(ALNUM + "-_.~", 1, 4).encode()
        return out

    def unicode(self, longest):
        """Any text; no surrogates, no NUL."""
        out = ""
        for _ in range(self.random.randint(0, longest)):
            limit = self.random.choice([0x7F, 0x7F, 0x7FF, 0xFFFF, 0x10FFFF])
            code = self.random.randint(1, limit)
            out += chr(code) if not 0xD800 <= code <= 0xDFFF else "/"
        return out

    def host(self):
        host = self.random.choice(["s3.example.com", "b.s3.eu-west-9.example.com", "127.0.0.1",
                                   "[::1]", "[fe80::1:2]", "localhost", "a"])
        port = self.random.choice([None, 8443, 9000, self.random.randint(1, 65535)])
        # The default ports are left out by one signer, and by the caller of the other.
        return host if port in (None, 80, 443) else f"{host}:{port}"

    def header(self):
        name = self.random.choice(HEADERS)
        if self.one_in(3):
            name = "x-amz-meta-" + self.text(NAME, 1, 6)
        elif self.one_in(9):
            name = self.text(NAME, 1, 4)
        name = self.random.choice([name, name.lower(), name.upper(), name.title()])
        # Other spaces than ' ' are collapsed by one signer and left alone by the other.
        words = [self.text(VISIBLE, 1, 8) if self.random.randrange(4) else
                 "".join(c for c in self.unicode(6) if not c.isspace() and c.isprintable())
                 for _ in range(self.random.randint(1, 4))]
        value = " ".join(word + " " * self.random.choice([0, 0, 1, 2]) for word in words)
        value = " " * self.random.choice([0, 0, 0, 3]) + value
        return (name, value if value.strip() else "-")

    def query(self):
        """As texts for one way of botocore's to take them, as bytes for the other."""
        count = self.random.choice([0, 0, 1, 2, 3, self.random.randint(4, 30)])
        if self.one_in(2):
            return [(self.random.choice(QUERIES) if self.random.randrange(3) else
                     self.unicode(6) or "x",
                     self.random.choice([None, "", self.unicode(8), self.text(ALNUM, 1, 9)]))
                    for _ in range(count)]
        return [(self.random.choice(QUERIES).encode() if self.random.randrange(3) else
                 self.raw(4) or b"x",
                 self.random.choice([None, b"", self.raw(6)])) for _ in range(count)]

    def request(self):
        headers = [self.header() for _ in range(self.random.choice([0, 1, 2, 5, 12]))]
        if headers and self.one_in(2):
            name, _ = self.random.choice(headers)
            headers.insert(self.random.randint(0, len(headers)), (name.swapcase(), self.header()[1]))
        return SimpleNamespace(
            method=self.random.choice(["GET", "PUT", "HEAD", "POST", "DELETE"]),
            scheme=self.random.choice(["http", "https"]),
            host=self.host(),
            path=b"/" + self.raw(12),
            query=self.query(),
            headers=headers,
            body=self.random.choice([None, b"", self.random.randbytes(20), "unsigned"]),
            access=self.random.choice([self.text(ALNUM, 16, 20), "account:" + self.text(ALNUM, 1, 5),
                                       self.text(ALNUM + ":/+=-_.", 1, 12)]),
            secret=self.random.choice([self.text(ALNUM + "/+", 40, 40),
                                       self.text(VISIBLE + " ", 1, 150), self.unicode(20) or "s"]),
            token=self.random.choice([None, self.text(ALNUM + "/+=", 1, 400)]),
            region=self.random.choice(["us-east-1", "eu-west-9", "auto",
                                       self.text(ALNUM + "-_", 1, 12)]),
            seconds=self.random.randint(0, 7258118400))


def as_bytes(text):
    return text.encode() if isinstance(text, str) else text


def as_line(request):
    """The request as sign-lines wants it."""
    def pair(name, value):
        digits = as_bytes(name).hex()
        return digits if value is None else f"{digits}:{as_bytes(value).hex()}"
    fields = [f"{name}={as_bytes(getattr(request, name)).hex()}"
              for name in ("method", "host", "path", "access", "secret", "region")]
    fields += [f"query={pair(*item)}" for item in request.query]
    fields += [f"header={pair(*item)}" for item in request.headers]
    if request.token is not None:
        fields.append(f"token={request.token.encode().hex()}")
    if request.body == "unsigned":
        fields.append("payload=unsigned")
    elif request.body is not None:
        fields.append(f"payload={hashlib.sha256(request.body).hexdigest()}")
    fields.append(f"time={request.seconds * 1000000000}")
    return " ".join(fields)


def encode(text):
    return quote(text, safe="-_.~")


def as_aws_request(request):
    url = f"{request.scheme}://{request.host}{quote(request.path, safe='/-_.~')}"
    params = {}
    if request.query and isinstance(request.query[0][0], str):
        params = [(name, value or "") for name, value in request.query]
    elif request.query:
        url += "?" + "&".join(encode(name) + ("" if value is None else "=" + encode(value))
                              for name, value in request.query)
    data = request.body if isinstance(request.body, bytes) else b""
    made = AWSRequest(method=request.method, url=url, params=params, data=data)
    for name, value in request.headers:
        made.headers[name] = value
    if request.body == "unsigned":
        made.context["client_config"] = SimpleNamespace(s3={"payload_signing_enabled": False})
    made.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(request.seconds))
    return made


def expected(request):
    """The four texts that botocore makes of it."""
    auth = S3SigV4Auth(Credentials(request.access, request.secret, request.token), "s3",
                       request.region)
    made = as_aws_request(request)
    auth._modify_request_before_signing(made)
    canonical = auth.canonical_request(made)
    to_sign = auth.string_to_sign(made, canonical)
    auth._inject_signature_to_request(made, auth.signature(to_sign, made))
    query = auth.canonical_query_string(made)
    target = quote(request.path, safe="/-_.~") + ("?" + query if query else "")
    lines = [f"{name}: {value.strip(' ')}" for name, value in request.headers]
    lines += [f"{name}: {made.headers[name]}" for name in ("x-amz-date", "x-amz-content-sha256")]
    if request.token is not None:
        lines.append(f"x-amz-security-token: {made.headers['x-amz-security-token']}")
    lines.append(f"Authorization: {made.headers['Authorization']}")
    return [canonical, to_sign, target, "".join(line + "\0" for line in lines)]


def main():
    long = bool(os.environ.get("TOZAI_LONG"))
    program = sys.argv[1]
    seed = int(os.environ.get("TOZAI_TEST_SEED") or (random.getrandbits(32) if long else 1))
    count = int(os.environ.get("TOZAI_TEST_ROUNDS") or (50000 if long else 5000))
    print(f"seed {seed}, {count} requests", flush=True)
    draw = Draw(seed)
    requests = [draw.request() for _ in range(count)]
    done = subprocess.run([program], input="".join(as_line(r) + "\n" for r in requests),
                          stdout=subprocess.PIPE, encoding="ascii", check=False)
    answers = done.stdout.splitlines()
    if done.returncode or len(answers) != count:
        print(f"request {len(answers)} was not signed: {requests[len(answers)]}")
        return 1
    bad = 0
    for i, (request, answer) in enumerate(zip(requests, answers)):
        found = [bytes.fromhex(text) for text in answer.split(" ")]
        wanted = [text.encode() for text in expected(request)]
        if found != wanted:
            bad += 1
            print(f"request {i}: {request}")
            for one, other in zip(found, wanted):
                if one != other:
                    print(f"  found    {one}\n  expected {other}")
    print(f"{count - bad} of {count} alike")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
