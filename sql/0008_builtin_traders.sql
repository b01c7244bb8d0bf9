-- The traders every desk starts with: eight common ideas, owned by nobody, read by everybody signed in. They are those of
-- shared/domain/builtins.py. One that was edited, disabled or deleted stays as it is when this file runs again.
-- Needs 0004_traders.sql.
insert into public.traders (trader_id, name, timeframe, side, edge, cooldown_bars, description, rule) values
  ('89bc7de4-9469-5362-a7d5-bf4e7ce56770', 'RSI oversold bounce', '5m', 'long', 'rising', 0,
   'RSI(14) climbs back above 30 with a rising candle: sellers are running out.',
   'crosses_above(rsi(14), 30) and close > open'),
  ('81c6b5a6-8223-5f61-932f-2bbc114d1cd4', 'Volume spike', '1m', 'long', 'rising', 5,
   'A rising candle trades more than three times the average volume of the twenty candles before it.',
   'volume > 3 * sma(volume, 20)[1] and close > open'),
  ('b4b08fee-83b7-5fda-95a5-e92256dc8866', 'Golden cross', '1m', 'long', 'rising', 0,
   'The 50-candle average crosses above the 200-candle average: the trend has turned up.',
   'crosses_above(sma(50), sma(200))'),
  ('1b5e2a57-9a7c-597c-aee9-8c4b6f3911a9', 'MACD cross', '5m', 'long', 'rising', 0,
   'MACD crosses above its signal line while both are below zero: momentum turns before price does.',
   'crosses_above(macd(12, 26, 9).macd, macd(12, 26, 9).signal) and macd(12, 26, 9).macd < 0'),
  ('43633225-ebe5-5d1d-8816-b12d5b04087f', 'Bollinger squeeze exit', '5m', 'long', 'rising', 0,
   'The bands were about as narrow as at any time of the last 50 candles; now price closes above the upper one.',
   'close > bbands(20, 2).upper and stdev(20)[1] <= 1.25 * lowest(stdev(20), 50)[1]'),
  ('06f0c602-7179-5578-9819-ec21c02d9b6f', 'Multi-timeframe momentum', '1m', 'long', 'rising', 0,
   'RSI(14) rises through 55 on 1m candles while the last closed 5m and 15m candles stand above their averages.',
   'crosses_above(rsi(14), 55) and on("5m", close > ema(20)) and on("15m", close > ema(20))'),
  ('f88d10af-f6dd-5a8d-8879-87e936f319bd', 'Three red candles (short)', '15m', 'short', 'rising', 0,
   'Three falling candles in a row, each closing lower, below the 20-candle average: sellers are in charge.',
   'close < open and close[1] < open[1] and close[2] < open[2] and close < close[1] < close[2] < ema(20)'),
  ('1ac2652f-1650-5f5a-b9ca-92ba449663e7', '20-bar breakout', '5m', 'long', 'rising', 5,
   'Price closes above the highest high of the twenty candles before it, on more volume than usual.',
   'close > highest(20)[1] and volume > sma(volume, 20)')
on conflict (trader_id) do nothing;
