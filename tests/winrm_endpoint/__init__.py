"""A WinRM listener on loopback that runs commands with /bin/sh.

It stands where a Windows host would in tests, and does for real what a client can see:
it authenticates, seals messages, keeps shells and runs commands in process groups of
their own. What it follows:

* [MS-WSMV] 3.1.4: the Shell's Create, Command, Receive, Send, Signal (2.2.4.38) and
  Delete, and their options; 2.2.4.43: faults, with the codes of ``wsmerror.h`` and
  ``winerror.h``, worded as Windows does where that is on record; 2.2.9.1: encrypted
  messages.
* DSP0226 (WS-Management): OperationTimeout, MaxEnvelopeSize, and the security profile
  for client certificates.
* RFC 7617 (Basic), RFC 7616 and 2617 (Digest), RFC 4559 (Negotiate), [MS-NLMP],
  RFC 4121 (Kerberos) and [MS-CSSP] through pyspnego's acceptors; RFC 5929 for
  channel bindings.

``python -m winrm_endpoint`` reads its configuration as one line of JSON and then orders,
one a line, on standard input, and answers each with a line on standard output. It ends
with its standard input, and takes along all that it began.
"""
