"""Binance spot market data: the only place that knows Binance's wire names.

Sources: https://developers.binance.com/docs/binance-spot-api-docs (REST general information, market data endpoints,
WebSocket streams).
"""
