"""The wire to one Windows host: HTTP, who we are there, and sealed messages.

It blocks, and one thread at a time may use it. It stands where pywinrm's ``Protocol``
has its transport.
"""

from remjobs.transports.winrm.wire.check import check_login
from remjobs.transports.winrm.wire.endpoint import Endpoint
from remjobs.transports.winrm.wire.errors import AnswerRefused, ConnectionBroken, LoginRefused
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.tls import TlsContexts
from remjobs.transports.winrm.wire.wire import Wire

__all__ = [
    "AnswerRefused",
    "ConnectionBroken",
    "Endpoint",
    "LoginRefused",
    "TlsContexts",
    "WinRmLogin",
    "Wire",
    "check_login",
]
