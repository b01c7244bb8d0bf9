-- The other venues the collector can serve. They are off: whoever runs a collector for one switches it on with
--   update public.venues set enabled = true where venue = 'okx_swap';
-- Needs 0002. `timeframes` are those the venue can push.
insert into public.venues (venue, timeframes, enabled)
values
  ('binance_usdm', array['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d'], false),
  ('bybit', array['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d'], false),
  ('bybit_linear', array['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d'], false),
  ('okx', array['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d'], false),
  ('okx_swap', array['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '12h', '1d'], false),
  ('kraken', array['1m', '5m', '15m', '30m', '1h', '4h', '1d'], false),
  ('coinbase', array['1m', '5m', '15m', '1h', '6h', '1d'], false),
  ('hyperliquid', array['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '12h', '1d'], false)
on conflict (venue) do nothing;
