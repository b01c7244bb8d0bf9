"""Channels: people say where they are told, operators where the desk is."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from shared.domain.errors import ConflictError, ForbiddenError, InvalidMessageError, NotFoundError
from shared.domain.notifications import FAILING_CHANNEL, KINDS, Channel, ChannelKind
from shared.domain.targets import Target, read_target
from shared.usecases.alerts import announce_outbox

if TYPE_CHECKING:
    from shared.alert_ports import Addresses, AlertStore, ChannelStore
    from shared.ports import Clock, Queue
    from shared.usecases.books import Caller

MAX_CHANNELS: Final = 50


def owner_of(caller: Caller, *, desk: bool) -> str | None:
    """Return whose channels are meant: the caller's own, or the desk's for operators; raise `ForbiddenError`."""
    if desk or caller.user_id is None:
        if not caller.operates:
            raise ForbiddenError("only operators mind channels of the desk")
        return None
    return caller.user_id


def create_channel(
    channel: Channel, target: str, *, channels: ChannelStore, addresses: Addresses, may_be_private: bool
) -> tuple[Channel, str | None]:
    """Store a new channel; return it with the secret that signs what a webhook is sent, which is told only now.

    Raise `InvalidMessageError` naming the field, `ConflictError` where there are too many.
    """
    if len(channels.list(channel.owner_id)) >= MAX_CHANNELS:
        raise ConflictError(f"there are {MAX_CHANNELS} channels already, which is the most there may be")
    _check(channel)
    read = _reachable(channel.kind, target, addresses, may_be_private)
    secret = secrets.token_urlsafe(32) if channel.kind is ChannelKind.WEBHOOK else None
    return channels.create(replace(channel, shown=read.shown), target=target, secret=secret), secret


def change_channel(
    channel: Channel,
    *,
    version: int,
    target: str | None,
    new_secret: bool,
    channels: ChannelStore,
    addresses: Addresses,
    may_be_private: bool,
) -> tuple[Channel, str | None]:
    """Change a channel, and its address and secret where asked for; return it with the secret when that is new."""
    _check(channel)
    if new_secret and channel.kind is not ChannelKind.WEBHOOK:
        raise InvalidMessageError("new_secret", "expected a webhook: nothing else is signed")
    if target is not None:
        channel = replace(channel, shown=_reachable(channel.kind, target, addresses, may_be_private).shown)
    secret = secrets.token_urlsafe(32) if new_secret else None
    return channels.update(channel, version=version, target=target, secret=secret), secret


def own_channel(channel_id: str, *, caller: Caller, channels: ChannelStore) -> Channel:
    """Return a channel of the caller's, or the desk's for operators; raise `NotFoundError` for any other."""
    channel = channels.get(channel_id)
    theirs = caller.operates if channel.owner_id is None else channel.owner_id == caller.user_id
    if not theirs:
        raise NotFoundError(f"no channel {channel_id!r}")
    return channel


def try_channel(channel_id: str, *, channels: ChannelStore, queue: Queue) -> str:
    """Have a channel be sent a message that says it is a test, the way every other goes; return the outbox row."""
    outbox_id = channels.test(channel_id)
    announce_outbox([outbox_id], queue=queue)
    return outbox_id


def forget_failures(channel_id: str, *, alerts: AlertStore, clock: Clock) -> None:
    """Resolve the alert that a channel is not reached: nobody will try one that is removed or switched off."""
    alerts.settle([f"{FAILING_CHANNEL}{channel_id}"], [], at_ms=clock.now_ms())


def _check(channel: Channel) -> None:
    if unknown := sorted({*channel.kinds} - {*KINDS}):
        raise InvalidMessageError("kinds", f"expected some of {', '.join(KINDS)}, got {', '.join(unknown)}")
    if channel.quiet is not None and channel.quiet.from_minute == channel.quiet.to_minute:
        raise InvalidMessageError("quiet", "expected another end than the beginning")


def _reachable(kind: ChannelKind, target: str, addresses: Addresses, may_be_private: bool) -> Target:
    """Read an address whose host is of the public net now; it is looked at again whenever something is sent."""
    read = read_target(kind, target, may_be_private=may_be_private)
    if read.host is not None and not may_be_private:
        addresses.require_public(read.host, read.port)
    return read
