-- Helpers that tables share. The schema `desk` is not exposed by the API.
create schema if not exists desk;
revoke all on schema desk from public;
grant usage on schema desk to authenticated, service_role;

-- The length of a timeframe in milliseconds, null for an unknown one.
create or replace function desk.timeframe_ms(timeframe text) returns bigint
language sql immutable parallel safe set search_path = ''
as $$
  select case timeframe
    when '1m' then 60000 when '3m' then 180000 when '5m' then 300000 when '15m' then 900000 when '30m' then 1800000
    when '1h' then 3600000 when '2h' then 7200000 when '4h' then 14400000 when '6h' then 21600000
    when '12h' then 43200000 when '1d' then 86400000
  end
$$;

-- Whether text is a timeframe and an instant (epoch ms) one of its boundaries.
create or replace function desk.is_boundary(timeframe text, close_time bigint) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select coalesce(close_time > 0 and close_time % desk.timeframe_ms(timeframe) = 0, false)
$$;

-- Every version of a row has its own millisecond: clock_timestamp, because now() is the start of a transaction that
-- may commit much later, and one more than before when two changes fall into the same millisecond.
create or replace function desk.touch() returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.updated_at := greatest(date_trunc('milliseconds', clock_timestamp()), old.updated_at + interval '1 millisecond');
  return new;
end
$$;

-- Refuse a change of columns that are the desk's to set; grants say so too, but one careless `grant all` undoes those.
create or replace function desk.refuse() returns trigger
language plpgsql set search_path = ''
as $$
begin
  raise exception 'permission denied for privileged columns of %', tg_table_name using errcode = '42501';
end
$$;
