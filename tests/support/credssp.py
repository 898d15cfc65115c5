"""CredSSP for clients on requests that lack it, on pyspnego's initiator."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

import spnego
from requests.auth import AuthBase


class HttpCredSspAuth(AuthBase):
    """Logs in by CredSSP; ``contexts`` has what seals, by host name.

    It has the interface of the package requests-credssp, which pypsrp looks for.
    """

    def __init__(self, username: str, password: str, **_: Any) -> None:
        self._user, self._password = username, password
        self.contexts: dict[str, Any] = {}

    def __call__(self, request: Any) -> Any:
        request.headers["Connection"] = "Keep-Alive"
        request.register_hook("response", self._answered)
        return request

    def _answered(self, response: Any, **how: Any) -> Any:
        if response.status_code != 401:
            return response
        host = str(urlsplit(response.url).hostname)
        context = spnego.client(
            self._user,
            self._password,
            hostname=host,
            service="HTTP",
            protocol="credssp",
        )
        self.contexts[host] = context
        token = context.step()
        while token and (response.status_code == 401):
            response = self._send(response, token, how)
            said = response.headers.get("WWW-Authenticate", "")
            if not said.startswith("CredSSP "):
                break
            token = context.step(base64.b64decode(said.removeprefix("CredSSP ")))
        return response

    @staticmethod
    def _send(response: Any, token: bytes, how: Any) -> Any:
        _ = response.content
        response.raw.release_conn()
        request = response.request.copy()
        request.headers["Authorization"] = f"CredSSP {base64.b64encode(token).decode()}"
        return response.connection.send(request, **how)
