"""The simulated venue's private REST interface: signed requests on orders, balances and trades, as at Binance.

`PUT /_accounts/{key}` opens an account, or replaces it (`AccountSpec`); `POST /_accounts/{key}/orders` takes the
parameters of a Binance order and places it as somebody else would who has the same key; `GET /_accounts/{key}` tells
what the account has, every trade since the start included.

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api (trading and account endpoints, errors).
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from desk.simulator import private_wire, wire
from desk.simulator.accounts import VenueAccount, VenueTrade
from desk.simulator.depth import LEVELS, depth_of
from desk.simulator.faults import FaultKind
from desk.simulator.gate import Gate, RefusedError, cut, mandatory, number
from desk.simulator.matching import Matching
from desk.simulator.order_forms import list_orders, new_order, order_of
from shared.ports import Clock
from shared.validation import problem_in_words

MAX_ROWS: Final = 1_000
_EARLY_MS: Final = 1_000
_RECV_WINDOW_MS: Final = 5_000
_MAX_RECV_WINDOW_MS: Final = 60_000

Answer = Callable[[VenueAccount, Mapping[str, str]], Any]


class AccountSpec(BaseModel):
    """An account as it is opened: what it holds, what it pays, what its key may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str = Field(min_length=1)
    balances: dict[str, Decimal] = {}
    maker_rate: Decimal = Decimal("0.001")
    taker_rate: Decimal = Decimal("0.001")
    can_withdraw: bool = False
    bnb_price: Decimal | None = Field(None, gt=0)


class PrivateRest:
    """Answer signed requests, and those that open accounts."""

    def __init__(self, exchange: Matching, clock: Clock, gate: Gate) -> None:
        self._exchange = exchange
        self._clock = clock
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, below /api/v3, /sapi/v1 and /_accounts."""
        return [
            web.get("/api/v3/depth", self._depth),
            web.post("/api/v3/order", self._signed(1, self._place, writes=True)),
            web.delete("/api/v3/order", self._signed(1, self._cancel, writes=True)),
            web.get("/api/v3/order", self._signed(4, self._order)),
            web.post("/api/v3/orderList/oco", self._signed(1, self._place_list, writes=True)),
            web.get("/api/v3/openOrders", self._signed(6, self._open_orders)),
            web.delete("/api/v3/openOrders", self._signed(1, self._cancel_all, writes=True)),
            web.get("/api/v3/account", self._signed(20, self._account)),
            web.get("/api/v3/myTrades", self._signed(20, self._trades)),
            web.get("/sapi/v1/account/apiRestrictions", self._signed(1, self._restrictions)),
            web.put("/_accounts/{key}", self._open),
            web.get("/_accounts/{key}", self._show),
            web.post("/_accounts/{key}/orders", self._foreign),
        ]

    def _signed(self, weight: int, answer: Answer, *, writes: bool = False) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            body = await request.text()

            async def work() -> Any:
                account, values = self._authorised(request, body)
                self._exchange.advance(values.get("symbol"))
                told = answer(account, values)
                if writes and self._gate.faults.hit(FaultKind.ANSWER_5XX):
                    raise RefusedError(
                        -1007,
                        "Timeout waiting for response from backend server. "
                        "Send status unknown; execution status unknown.",
                        status=504,
                    )
                return told

            response = await self._gate.answer(request, weight, work, is_private=True)
            if writes and response.status == 200 and (fault := self._gate.faults.hit(FaultKind.ANSWER_LOST)):
                await asyncio.sleep(fault.delay_s)
                return cut(request)
            return response

        return handler

    def _authorised(self, request: web.Request, body: str) -> tuple[VenueAccount, dict[str, str]]:
        """Return whose request it is and its parameters; raise unless key, time and signature are right."""
        key = request.headers.get("X-MBX-APIKEY", "")
        account = self._exchange.accounts.get(key)
        if account is None:
            raise RefusedError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        query = request.rel_url.raw_query_string
        values = dict(parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))
        signed, _, signature = (query + body).rpartition("signature=")
        right = hmac.new(account.secret.encode(), signed.rstrip("&").encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, signature):
            raise RefusedError(-1022, "Signature for this request is not valid.")
        self._check_time(values)
        return account, values

    def _check_time(self, values: Mapping[str, str]) -> None:
        sent_ms, window_ms = number(values, "timestamp"), number(values, "recvWindow")
        window_ms = _RECV_WINDOW_MS if window_ms is None else window_ms
        if sent_ms is None:
            raise RefusedError(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
        if window_ms > _MAX_RECV_WINDOW_MS:
            raise RefusedError(-1131, "recvWindow must be less than 60000.")
        now_ms = self._clock.now_ms()
        if sent_ms >= now_ms + _EARLY_MS:
            raise RefusedError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ms - sent_ms > window_ms:
            raise RefusedError(-1021, "Timestamp for this request is outside of the recvWindow.")

    async def _depth(self, request: web.Request) -> web.Response:
        async def work() -> Any:
            listed = self._exchange.listed(mandatory(request.query, "symbol"))
            levels = min(number(request.query, "limit") or LEVELS, LEVELS)
            return private_wire.depth(depth_of(self._exchange.tape, listed, self._clock.now_ms(), levels=levels))

        return await self._gate.answer(request, 5, work)

    def _place(self, account: VenueAccount, values: Mapping[str, str]) -> Any:
        order = new_order(self._exchange.listed(mandatory(values, "symbol")), values)
        before = len(account.trades)
        self._exchange.place(account, order)
        return private_wire.placed(order, account.trades[before:], kind=values.get("newOrderRespType", "FULL"))

    def _place_list(self, account: VenueAccount, values: Mapping[str, str]) -> Any:
        legs = list_orders(self._exchange.listed(mandatory(values, "symbol")), values)
        list_id = self._exchange.place_list(account, legs)
        return private_wire.placed_list(list_id, legs)

    def _cancel(self, account: VenueAccount, values: Mapping[str, str]) -> Any:
        order = order_of(account, values)
        if order is None:
            raise RefusedError(-2011, "Unknown order sent.")
        ended = self._exchange.cancel(account, order)
        if order.list_id >= 0:
            return private_wire.cancelled_list(order.list_id, ended)
        return private_wire.cancelled(order, values.get("newClientOrderId"))

    def _cancel_all(self, account: VenueAccount, values: Mapping[str, str]) -> Any:
        found = account.live(mandatory(values, "symbol"))
        if not found:
            raise RefusedError(-2011, "Unknown order sent.")
        ended = [one for order in found if order.is_live for one in self._exchange.cancel(account, order)]
        return [private_wire.cancelled(one, None) for one in ended]

    def _order(self, account: VenueAccount, values: Mapping[str, str]) -> Any:
        if (order := order_of(account, values)) is None:
            raise RefusedError(-2013, "Order does not exist.")
        return private_wire.order(order)

    def _open_orders(self, account: VenueAccount, values: Mapping[str, str]) -> Any:
        return [private_wire.order(one) for one in account.live(values.get("symbol"))]

    def _account(self, account: VenueAccount, values: Mapping[str, str]) -> Any:
        omit_zero = values.get("omitZeroBalances", "false").lower() == "true"
        return private_wire.account(account, now_ms=self._clock.now_ms(), omit_zero=omit_zero)

    def _trades(self, account: VenueAccount, values: Mapping[str, str]) -> Any:
        name, first = mandatory(values, "symbol"), number(values, "fromId")
        start, end, order_id = (number(values, key) for key in ("startTime", "endTime", "orderId"))
        if first is not None and (start is not None or end is not None):
            raise RefusedError(-1128, "Combination of optional parameters invalid.")
        limit = min(number(values, "limit") or 500, MAX_ROWS)

        def is_asked(trade: VenueTrade) -> bool:
            return (
                trade.order.listed.wire == name
                and (first is None or trade.trade_id >= first)
                and (start is None or trade.time_ms >= start)
                and (end is None or trade.time_ms <= end)
                and order_id in (None, trade.order.order_id)
            )

        found = [trade for trade in account.trades if is_asked(trade)]
        # Asked from somewhere on, the venue returns the oldest; otherwise the newest.
        found = found[:limit] if first is not None or start is not None else found[-limit:]
        if self._gate.faults.hit(FaultKind.TRADES_TWICE):
            found = [trade for trade in found for _ in range(2)]
        if self._gate.faults.hit(FaultKind.TRADES_SHUFFLED):
            found = self._gate.faults.shuffled(found)
        return [private_wire.trade(one) for one in found]

    def _restrictions(self, account: VenueAccount, _: Mapping[str, str]) -> Any:
        return private_wire.restrictions(account)

    async def _open(self, request: web.Request) -> web.Response:
        try:
            spec = AccountSpec.model_validate_json(await request.read())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return _own(
                {"error": f"{'.'.join(str(part) for part in first['loc'])}: {problem_in_words(first)}"}, status=400
            )
        key = request.match_info["key"]
        self._exchange.accounts[key] = VenueAccount(api_key=key, **dict(spec))
        return await self._show(request)

    async def _show(self, request: web.Request) -> web.Response:
        return await self._own_account(request, private_wire.everything)

    async def _foreign(self, request: web.Request) -> web.Response:
        values = dict(parse_qsl(await request.text()))
        return await self._own_account(request, lambda account: self._place(account, values))

    async def _own_account(self, request: web.Request, answer: Callable[[VenueAccount], Any]) -> web.Response:
        account = self._exchange.accounts.get(request.match_info["key"])
        if account is None:
            return _own({"error": "key: no such account"}, status=404)
        self._exchange.advance()
        try:
            return _own(answer(account))
        except RefusedError as error:
            return _own({"code": error.code, "msg": error.message}, status=error.status)


def _own(body: object, *, status: int = 200) -> web.Response:
    return web.Response(body=wire.to_json(body), status=status, content_type="application/json")
