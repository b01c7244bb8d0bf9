-- A desk as it was made: nobody has traded, and it is active. One query, for a store that hundreds of tests empty.
delete from public.account_flows;
delete from public.fills;
delete from public.orders;
delete from public.positions;
delete from public.accounts;
delete from public.proposals;
delete from public.trade_intents;
delete from public.intelligence_signals;
delete from public.signals;
delete from public.execution_runs;
delete from public.traders;
delete from public.books;
delete from public.instruments;
delete from public.agents;
delete from public.alerts;
delete from public.outbox;
delete from public.notification_channels;
delete from public.monitor_runs;
delete from public.monitor_lease;
delete from public.venue_health;
delete from public.agent_memory;
update public.venues set trading_state = 'active';
insert into public.desk_state (trading_state) values ('active')
  on conflict (singleton) do update set trading_state = excluded.trading_state;
