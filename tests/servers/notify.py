#!/usr/bin/python3
"""Servers that notices are sent to: SMTP and HTTP, well-behaved or not.

    notify.py FOLDER

Listens on ports of 127.0.0.1 that FOLDER/ports names ("mail 2525") once it is ready:

    mail      takes any mail
    starttls  wants TLS and the user "me@example" with the password "p w"
    smtps     the same, with TLS from the first byte
    refuse    refuses every recipient
    some      refuses recipients that begin with "no"
    hang      takes connections (SMTP or HTTP), and says nothing
    http      answers as FOLDER/status says, 200 without one

A mail is kept as FOLDER/mail.N (first line: envelope), a request as FOLDER/http.N.  The certificate
is FOLDER/tls.pem.
"""
import http.server
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

folder = pathlib.Path(sys.argv[1])
lock = threading.Lock()
counts = {}


def keep(kind, data):
    with lock:
        counts[kind] = counts.get(kind, 0) + 1
        path = folder / f"{kind}.{counts[kind]}"
        path.with_suffix(".new").write_bytes(data)
        path.with_suffix(".new").rename(path)


class Keeper:
    refused = None

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refused is not None and address.startswith(self.refused):
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        head = {"from": envelope.mail_from, "to": envelope.rcpt_tos,
                "tls": session.ssl is not None or bool(getattr(server, "from_tls", False)),
                "user": session.auth_data.login.decode() if session.auth_data else None}
        keep("mail", json.dumps(head).encode() + b"\n" + envelope.content)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"me@example", b"p w")
    return AuthResult(success=good, handled=False, auth_data=data if good else None)


def start_mail(name, refused=None, **options):
    handler = Keeper()
    handler.refused = refused
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    return name, controller.port


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        head = {"method": self.command, "path": self.path,
                "type": self.headers.get("Content-Type")}
        keep("http", json.dumps(head).encode() + b"\n" + body)
        status = folder / "status"
        self.send_response(int(status.read_text()) if status.exists() else 200)
        self.send_header("Location", "/moved")
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    do_GET = do_POST

    def log_message(self, *args):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_hang():
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=hang, args=(listener,), daemon=True).start()
    return "hang", listener.getsockname()[1]


def hang(listener):
    held = []
    while True:
        held.append(listener.accept())


def start_http():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "http", server.server_port


subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                folder / "tls.key", "-out", folder / "tls.pem"], check=True, capture_output=True)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(folder / "tls.pem", folder / "tls.key")
safe = {"auth_required": True, "authenticator": authenticate}
ports = [start_mail("mail"), start_mail("refuse", refused=""), start_mail("some", refused="no"),
         start_mail("starttls", tls_context=tls, require_starttls=True, **safe),
         start_mail("smtps", ssl_context=tls, auth_require_tls=False, **safe),
         start_hang(), start_http()]
(folder / "ports.new").write_text("".join(f"{name} {port}\n" for name, port in ports))
(folder / "ports.new").rename(folder / "ports")
threading.Event().wait()
