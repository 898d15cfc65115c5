"""Every error remjobs raises on purpose.

The tree::

    RemjobsError
    +-- UsageError            bad input; nothing was started           (exit 2)
    |   +-- InventoryError    an inventory: file, line, what was expected
    |   +-- UnfitHost         (in transports.base) what is said of one host cannot be used
    |   +-- NotRemovable      a job that has not ended, or a single child
    |   +-- KeyringTrouble    there is no keyring, or it cannot be used
    |       +-- InsecureKeyring   it forgets, or others can read it
    |       +-- KeyringLocked     it must be unlocked first
    |       +-- NoSuchCredential  it has none of this name
    +-- NoSuchJob             an id, name or UUID that matches no job  (exit 3)
    +-- NoSuchDefinition      a name that matches no definition        (exit 3)
    +-- WaitTimeout           the time-out of a wait ran out           (exit 124)
    +-- IllegalTransition     a state change that the table forbids    (exit 70)
    +-- StoreError            the job store cannot be used             (exit 70)
    |   +-- StoreFull         no space left
    |   +-- StoreDamaged      a database that cannot be read
    |   +-- StoreFenced       another owner took the store over
    +-- ControllerError       the controller cannot be reached or used (exit 70)
    |   +-- AlreadyOwned      another process holds the state directory
    |   +-- ControllerBusy    it has unfinished work and was asked to leave
    |   +-- VersionMismatch   it speaks another version
    +-- HostFailure           (in transports.base) one host could not be used;
                              the engine turns it into a child's reason

``exit_code`` is what the CLI ends with. An error crosses the controller's
socket as its ``kind`` and message and arrives as the same class.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AlreadyOwned",
    "ControllerBusy",
    "ControllerError",
    "IllegalTransition",
    "InsecureKeyring",
    "InventoryError",
    "KeyringLocked",
    "KeyringTrouble",
    "NoSuchCredential",
    "NoSuchDefinition",
    "NoSuchJob",
    "NotRemovable",
    "RemjobsError",
    "StoreDamaged",
    "StoreError",
    "StoreFenced",
    "StoreFull",
    "UsageError",
    "VersionMismatch",
    "WaitTimeout",
    "from_kind",
]


class RemjobsError(Exception):
    """The root: catch this to catch everything remjobs raises on purpose."""

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 70


class UsageError(RemjobsError):
    """The request cannot be carried out as it was made; nothing was started."""

    kind = "usage"
    exit_code = 2


class InventoryError(UsageError):
    """An inventory cannot be read; the message names file, line and expectation."""

    kind = "inventory"


class NotRemovable(UsageError):
    """A job that has not ended, or a child on its own, cannot be removed."""

    kind = "not-removable"


class KeyringTrouble(UsageError):
    """Credentials cannot be had or kept; the message says what to do."""

    kind = "keyring"

    def __init__(self, problem: str, remedy: str = "") -> None:
        """Say what is wrong, and how to mend it."""
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class InsecureKeyring(KeyringTrouble):
    """The keyring forgets what it is given, or keeps it for everybody to read."""

    kind = "insecure-keyring"


class KeyringLocked(KeyringTrouble):
    """The keyring must be unlocked first."""

    kind = "keyring-locked"


class NoSuchCredential(KeyringTrouble):
    """The keyring has no credential of this name."""

    kind = "no-such-credential"


class NoSuchJob(RemjobsError):
    """No job has this id, name or UUID."""

    kind = "no-such-job"
    exit_code = 3


class NoSuchDefinition(RemjobsError):
    """No definition has this name, or none under this path."""

    kind = "no-such-definition"
    exit_code = 3


class WaitTimeout(RemjobsError):
    """The time-out of a wait ran out; the message says which jobs still run."""

    kind = "wait-timeout"
    exit_code = 124


class IllegalTransition(RemjobsError):
    """A change of state that the table does not have: a fault of ours."""

    kind = "illegal-transition"


class StoreError(RemjobsError):
    """The job store cannot be used."""

    kind = "store"


class StoreFull(StoreError):
    """There is no space left where the store lies."""

    kind = "store-full"


class StoreDamaged(StoreError):
    """A database of the store cannot be read, or is from a newer remjobs."""

    kind = "store-damaged"


class StoreFenced(StoreError):
    """Another owner has taken the store over; this one must write no more."""

    kind = "store-fenced"


class ControllerError(RemjobsError):
    """The controller cannot be started, reached or understood."""

    kind = "controller"


class AlreadyOwned(ControllerError):
    """Another process holds the state directory."""

    kind = "already-owned"


class ControllerBusy(ControllerError):
    """The controller has unfinished work and does not leave unless forced."""

    kind = "controller-busy"


class VersionMismatch(ControllerError):
    """Client and controller do not speak the same version."""

    kind = "version-mismatch"


def _tree(root: type[RemjobsError]) -> dict[str, type[RemjobsError]]:
    found = {root.kind: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


def from_kind(kind: str, message: str) -> RemjobsError:
    """Rebuild an error that crossed the socket; an unknown kind gives the root."""
    return _tree(RemjobsError).get(kind, RemjobsError)(message)
