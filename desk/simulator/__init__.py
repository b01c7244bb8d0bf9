"""A market simulator: a venue that speaks Binance's public spot protocol and replays a tape at the desk's clock."""
