"""Signs a request anew (AWS signature version 4), for faults that change what the client signed."""

import configparser
import hashlib
import hmac
import re
import time
import urllib.parse

STAMP = "%Y%m%dT%H%M%SZ"


def _encode(text, safe):
    return urllib.parse.quote(urllib.parse.unquote_to_bytes(text), safe=safe + "-_.~")


def _query(text):
    pairs = (part.partition("=") for part in text.split("&") if part)
    return "&".join(sorted("%s=%s" % (_encode(name, ""), _encode(value, ""))
                           for name, _, value in pairs))


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    """With the keys of a file in the format of AWS."""

    def __init__(self, path):
        parser = configparser.RawConfigParser()
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
        self._secrets = {
            parser[section]["aws_access_key_id"]: parser[section]["aws_secret_access_key"]
            for section in parser.sections()
        }

    def sign(self, request):
        """Replace date and signature; what is no longer there is no longer signed."""
        fields = dict(re.findall(r"(\w+)=([^,\s]+)", request.get("authorization", "")))
        access, _, region, service, end = fields["Credential"].rsplit("/", 4)
        stamp = time.strftime(STAMP, time.gmtime())
        request.set("X-Amz-Date", stamp)
        present = {name for name, _ in request.pairs()}
        signed = [name for name in fields["SignedHeaders"].split(";") if name in present]

        text = self._canonical(request, signed)
        scope = "/".join([stamp[:8], region, service, end])
        digest = hashlib.sha256(text.encode()).hexdigest()
        key = _mac(b"AWS4" + self._secrets[access].encode(), stamp[:8])
        for part in (region, service, end):
            key = _mac(key, part)
        signature = _mac(key, "\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])).hex()
        request.set("Authorization", "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, "
                    "Signature=%s" % (access, scope, ";".join(signed), signature))

    @staticmethod
    def _canonical(request, signed):
        path, _, query = request.target.partition("?")
        values = {}
        for name, value in request.pairs():
            values.setdefault(name, []).append(" ".join(value.split()))
        headers = "".join("%s:%s\n" % (name, ",".join(values[name])) for name in signed)
        return "\n".join([request.method, _encode(path, "/"), _query(query), headers,
                          ";".join(signed), request.get("x-amz-content-sha256")])
