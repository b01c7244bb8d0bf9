"""/api/v1/channels and /api/v1/notifications: where people are told, and what they were."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query

from functions.routes.callers import FORBIDDEN, CallerOf
from functions.routes.channel_schemas import (
    ChannelBody,
    ChannelId,
    ChannelKeptOut,
    ChannelOut,
    ChannelPage,
    ChannelPatch,
    DeliveryOut,
    DeliveryPage,
    TriedOut,
)
from functions.routes.common import CONFLICT, NOT_FOUND, PROBLEMS, DepsOf, read_cursor, write_cursor
from functions.routes.schemas import EXAMPLE_ID
from shared.usecases.channels import change_channel, create_channel, forget_failures, own_channel, owner_of, try_channel

router = APIRouter(prefix="/api/v1", tags=["notifications"], responses=PROBLEMS | FORBIDDEN)
Id = Annotated[ChannelId, Path(description="The channel's id.", examples=[EXAMPLE_ID])]
OfDesk = Annotated[bool, Query(description="The desk's instead of yours; for operators.")]


@router.get("/channels")
def list_channels(caller: CallerOf, deps: DepsOf, *, desk: OfDesk = False) -> ChannelPage:
    """List your channels by name, without their addresses."""
    return ChannelPage(items=[ChannelOut.of(each) for each in deps.channels.list(owner_of(caller, desk=desk))])


@router.post("/channels", status_code=201, responses=CONFLICT)
def create(body: ChannelBody, caller: CallerOf, deps: DepsOf) -> ChannelKeptOut:
    """Say where you are told; the answer has the secret of a webhook, which is told this once."""
    channel, secret = create_channel(
        body.channel(str(uuid4()), owner_of(caller, desk=body.desk)),
        body.target,
        channels=deps.channels,
        addresses=deps.addresses,
        may_be_private=deps.settings.allow_private_webhooks,
    )
    return ChannelKeptOut(channel=ChannelOut.of(channel), secret=secret)


@router.patch("/channels/{channel_id}", responses=NOT_FOUND | CONFLICT)
def change(channel_id: Id, body: ChannelPatch, caller: CallerOf, deps: DepsOf) -> ChannelKeptOut:
    """Change what a channel is told, where it is, or whether it is on; what waits for one that is off is not sent."""
    stored = own_channel(channel_id, caller=caller, channels=deps.channels)
    channel, secret = change_channel(
        body.changed(stored),
        version=body.version or stored.version,
        target=body.target,
        new_secret=body.new_secret,
        channels=deps.channels,
        addresses=deps.addresses,
        may_be_private=deps.settings.allow_private_webhooks,
    )
    if not channel.enabled:
        forget_failures(channel_id, alerts=deps.alerts, clock=deps.clock)
    return ChannelKeptOut(channel=ChannelOut.of(channel), secret=secret)


@router.delete("/channels/{channel_id}", status_code=204, responses=NOT_FOUND)
def remove(channel_id: Id, caller: CallerOf, deps: DepsOf) -> None:
    """Remove a channel with its delivery log."""
    deps.channels.delete(own_channel(channel_id, caller=caller, channels=deps.channels).channel_id)
    forget_failures(channel_id, alerts=deps.alerts, clock=deps.clock)


@router.post("/channels/{channel_id}/test", status_code=202, responses=NOT_FOUND)
def try_now(channel_id: Id, caller: CallerOf, deps: DepsOf) -> TriedOut:
    """Have a channel be sent a message that says it is a test, at once and also in quiet hours."""
    own_channel(channel_id, caller=caller, channels=deps.channels)
    return TriedOut(outbox_id=try_channel(channel_id, channels=deps.channels, queue=deps.notifications))


@router.get("/notifications")
def list_deliveries(
    caller: CallerOf,
    deps: DepsOf,
    *,
    channel_id: Annotated[ChannelId | None, Query(description="Only to this channel.", examples=[EXAMPLE_ID])] = None,
    desk: OfDesk = False,
    limit: Annotated[int, Query(ge=1, le=500, description="At most this many.")] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")] = None,
) -> DeliveryPage:
    """List what your channels were told, or are to be, newest first: the delivery log."""
    before = read_cursor(cursor) if cursor else None
    found = deps.deliveries.list(owner_of(caller, desk=desk), limit=limit + 1, channel_id=channel_id, before=before)
    page = found[:limit]
    more = len(found) > limit
    return DeliveryPage(
        items=[DeliveryOut.of(each) for each in page],
        next=write_cursor(page[-1].created_at_ms, page[-1].delivery_id) if more else None,
    )
