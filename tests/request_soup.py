"""Requests with a secret under a name, written in every way that some parser might read as that name.

Each request is made from its number alone, so that a failure can be reproduced.
"""

from __future__ import annotations

import random
from typing import NamedTuple

#: A secret, with its number in it.
SECRET = "S3cr{:04}t"
SECRET_PATTERN = rb"S3cr\d{4}t"

#: The denied name, and names that are near it.
NAMES = (
    "password",
    "password",
    "password",
    "p%61ssword",
    "%70%61%73%73%77%6F%72%64",
    "p%2561ssword",
    "+password",
    "password+",
    "%20password",
    "password%00",
    "password%0A",
    "PASSWORD",
    "password[]",
    "password[0]",
    "user[password]",
    "user.password",
    "pass",
    "word",
    "a",
    "b",
    "",
    "p\\assword",
    "'password'",
    "=?utf-8?q?password?=",
    "pass%E9word",
    "\u00e9",
    "password;",
)
SEPARATORS = ("&", "&", "&", "&", ";", "&amp;", "&&", "&;", "?", "#", "\n")
NOISE = (
    ";",
    '"',
    "\\",
    " ",
    "[]",
    "%",
    "\t",
    "\r\n",
    "\n",
    "'",
    "\x00",
    "\u00e9",
    "=",
    "&",
    ":",
    ",",
    "*",
    "%22",
    "%20",
    "--",
    "\x0b",
    "\x0c",
)
TYPES = (
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-8",
    "Application/X-WWW-Form-Urlencoded;charset=UTF-8",
    "application/x-www-form-urlencoded, text/plain",
    "application/x-www-form-urlencoded ;",
)
MULTIPART = (
    "multipart/form-data; boundary=B",
    "multipart/form-data; boundary=B",
    'multipart/form-data; boundary="B"',
    "Multipart/Form-Data;BOUNDARY=B",
    "multipart/form-data; charset=utf-8; boundary=B",
    "multipart/form-data; boundary=B ",
    "multipart/mixed; boundary=B",
    "multipart/form-data; boundary=B; boundary=C",
    "multipart/form-data; boundary=B;",
)
DISPOSITIONS = (
    "Content-Disposition: form-data",
    "Content-Disposition: form-data",
    "content-disposition:form-data",
    "Content-Disposition : form-data",
    "Content-Disposition:\tform-data ",
    "CONTENT-DISPOSITION: FORM-DATA",
    "Content-Disposition: attachment",
    "Content-Disposition: form-data;",
    "X-A: b\r\nContent-Disposition: form-data",
    "Content-Disposition: file",
    "Content-Disposition:\r\n form-data",
)
AS_NAME = (
    '; name="{}"',
    '; name="{}"',
    "; name={}",
    "; name={} x",
    "; name={}[]",
    '; name="{}" ',
    ";name={};",
    "; name*=UTF-8''{}",
    "; name*=utf-8'en'{}",
    "; name*=UTF-8''{} x",
    "; name*=UTF-8''{}[]",
    "; name*=UTF-8''{}%20",
    "; name*=UTF-8''%20{}",
    "; name*=us-ascii''{}",
    "; name*=iso-8859-1''{}",
    "; name*=''{}",
    "; name*=\"UTF-8''{}\"",
    "; name*0={}",
    '; name*0="pass"; name*1="word"',
    "; name*0*=UTF-8''pass; name*1=word",
    "; NAME={}",
    '; name = "{}"',
    '; x=y; name="{}"',
    '; name="a"; name="{}"',
    '; name="{}"; name="a"',
    "; name=a; name*=UTF-8''{}",
    '; x="; name=b"; name="{}"',
    '; filename="f"; name="{}"',
    '; name="{}"; filename=',
    ";\r\n name={}",
    ';\r\n\tname="{}"',
    "; name='{}'",
    '; name=" {} "',
    "; name={}\\",
    "",
    '; name="{}',
    '; name="{}"x',
    "; name={},",
    '; na\\me="{}"',
    '; "name"="{}"',
    "; name =* {}",
)
MORE_FIELDS = (
    "",
    "",
    "",
    "",
    "Content-Type: text/plain",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Type: application/json",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: quoted-printable",
    "Content-Transfer-Encoding: binary",
    "Content-Length: 3",
    'Content-Disposition: form-data; name="a"',
)


class Request(NamedTuple):
    query: str
    content_type: str
    body: bytes
    cookie: str

    def environ(self) -> dict[str, str]:
        """The environ as a server makes it: text has one character for each byte."""
        found = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "wsgi.url_scheme": "http",
            "QUERY_STRING": self.query,
            "CONTENT_TYPE": self.content_type,
            "CONTENT_LENGTH": str(len(self.body)),
        }
        if self.cookie:
            found["HTTP_COOKIE"] = self.cookie
        return {key: value.encode().decode("latin-1") for key, value in found.items()}


class RequestMaker:
    """Makes one request.

    Args:
        number: The same number makes the same request.
    """

    def __init__(self, number: int) -> None:
        self._random = random.Random(number)
        self._secrets = 0

    def request(self) -> Request:
        kind = self._random.random()
        if kind < 0.3:
            content_type, body = self._random.choice(TYPES), self._pairs().encode()
        elif kind < 0.9:
            content_type, body = self._random.choice(MULTIPART), self._multipart().encode()
        else:
            content_type, body = "text/plain", b""
        query = self._line(self._pairs())
        return Request(query, content_type, body, self._line(self._cookie()) if self._random.random() < 0.3 else "")

    def _secret(self) -> str:
        self._secrets += 1
        return SECRET.format(self._secrets)

    def _name(self) -> str:
        return self._random.choice(NAMES)

    def _noisy(self, text: str, odds: float) -> str:
        while self._random.random() < odds:
            at = self._random.randint(0, len(text))
            text = text[:at] + self._random.choice(NOISE) + text[at:]
        return text

    @staticmethod
    def _line(text: str) -> str:
        """What a server lets through in a request's line or header."""
        return "".join(c for c in text if c not in "\r\n\x00\x0b\x0c").strip()

    def _pairs(self) -> str:
        made = ""
        for _ in range(self._random.randint(1, 4)):
            equals = self._random.choice(["=", "=", "=", "=", "==", "%3D", "= ", ""])
            made += f"{self._name()}{equals}{self._secret()}{self._random.choice(SEPARATORS)}"
        return self._noisy(made, 0.3)

    def _cookie(self) -> str:
        made = []
        for _ in range(self._random.randint(1, 4)):
            form = self._random.choice(
                [
                    "{}={}",
                    "{}={}",
                    '{}="{}"',
                    "{} = {}",
                    '"{}"={}',
                    '{}="a;{}"',
                    "{}=a,b={}",
                    "$Version=1; {}={}; $Path=/",
                ]
            )
            made.append(form.format(self._name(), self._secret()))
        return self._noisy(self._random.choice(["; ", ";", ",", " ; "]).join(made), 0.3)

    def _part(self, line_end: str) -> str:
        disposition = self._random.choice(DISPOSITIONS) + self._random.choice(AS_NAME).replace("{}", self._name())
        if self._random.random() < 0.15:
            disposition += self._random.choice(
                ['; filename="f.txt"', "; filename=f.txt", "; filename*=UTF-8''f", '; filename=""']
            )
        header = [disposition, self._random.choice(MORE_FIELDS)]
        self._random.shuffle(header)
        lines = [line for line in header if line]
        part = self._noisy("\r\n".join(lines), 0.15) + "\r\n\r\n" + self._secret()
        return part.replace("\r\n", line_end) if self._random.random() < 0.95 else part

    def _multipart(self) -> str:
        line_end = self._random.choice(["\r\n"] * 8 + ["\n"])
        body = self._random.choice([""] * 8 + ["preamble" + line_end, line_end])
        for _ in range(self._random.randint(1, 3)):
            body += "--B" + self._random.choice([""] * 20 + [" ", "\t"]) + line_end + self._part(line_end) + line_end
        body += self._random.choice(["--B--" + line_end] * 12 + ["--B--", "--B-- " + line_end, "", "--B", "--B--x"])
        return self._noisy(body, 0.05)
