"""The desk's HTTP API for people (FastAPI on Mangum): traders, signals, prices, trading, risk, health."""

from typing import Final

from mangum import Mangum

from shared.runtime.http import TEXT_TYPES, create_app
from shared.runtime.routers import Prefixes
from shared.runtime.telemetry import measured_http

PREFIXES: Final[Prefixes] = {
    "functions.routes.health": ["/health"],
    "functions.routes.metrics": ["/api/metrics"],
    "functions.routes.traders": ["/api/v1/traders"],
    "functions.routes.why": ["/api/v1/traders/*/why"],
    "functions.routes.performance": ["/api/v1/traders/*/performance"],
    "functions.routes.rules": ["/api/v1/rules"],
    "functions.routes.signals": ["/api/v1/signals"],
    "functions.routes.candles": ["/api/v1/market-data"],
    "functions.routes.prices": ["/api/v1/engine/market-data"],
    "functions.routes.intelligence": ["/api/v1/engine/intelligence"],
    "functions.routes.proposals": ["/api/v1/proposals"],
    "functions.routes.trade_intents": [
        "/api/v1/engine/trade-intent",
        "/api/v1/intents",
        "/api/v1/orders",
        "/api/v1/fills",
        "/api/v1/positions",
        "/api/v1/trace",
    ],
    "functions.routes.books": ["/api/v1/books"],
    "functions.routes.accounts": ["/api/v1/accounts"],
    "functions.routes.people": ["/api/v1/me", "/api/v1/people"],
    "functions.routes.risk": ["/api/v1/desk/state", "/api/risk"],
    "functions.routes.alerts": ["/api/v1/alerts"],
    "functions.routes.channels": ["/api/v1/channels", "/api/v1/notifications"],
    "functions.routes.audit": ["/api/v1/audit"],
    "functions.routes.agents": ["/api/v1/agents", "/api/v1/engine/agent"],
}
"""Where the routes of each module are; a module is imported at the first request for one of its paths."""

app = create_app(PREFIXES)
handler = measured_http(Mangum(app, lifespan="off", text_mime_types=TEXT_TYPES), service="api")
