"""Sessions on hosts with a POSIX shell, whatever carries the bytes.

Local and SSH differ only in how a program is started (a ``Channel``); what runs
on the host, how its output is read and how its process tree is ended is the
same and stands here.
"""
