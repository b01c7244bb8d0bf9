// Serve Supabase Lite (PostgREST and auth over PGlite) on one port. Settings: one JSON object in SUPABASE_LITE.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messages } from "@electric-sql/pglite";
import { serve } from "@hono/node-server";
import { App } from "@supabase/lite";
import { createPgliteConnection } from "@supabase/lite/pglite";

// The roles Supabase provides.
const ROLES = `
do $$ begin
  create role anon nologin noinherit;
  create role authenticated nologin noinherit;
  create role service_role nologin noinherit bypassrls;
exception when duplicate_object then null;
end $$;
grant usage on schema public, auth to anon, authenticated, service_role;
`;

const settings = JSON.parse(process.env.SUPABASE_LITE);
// The image of a database in which sql/ has been applied: loading it takes half the time of making one.
const template = settings.template ? readIfThere(settings.template) : null;
const connection = await createPgliteConnection({
  url: settings.dataDir ?? undefined, // none: in memory
  pgliteOptions: { relaxedDurability: true, loadDataDir: template ? new Blob([template]) : undefined },
});
const app = new App({
  connection,
  api: { pg_safe_update: true, max_rows: 1000 },
  auth: {
    enabled: true,
    enable_signup: true,
    jwt_secret: settings.jwtSecret,
    publishable_key: settings.publishableKey,
    secret_key: settings.secretKey,
  },
});

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

async function migrate() {
  for (const name of settings.migrations) {
    const sql = readFileSync(join(settings.sql, name), "utf8");
    await connection.driver.exec(`begin; ${sql} commit;`).catch((error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
}

await app.ensureSystemSchema();
await connection.driver.exec(ROLES);
if (!template) await migrate();
await connection.ensureRlsContext(); // once it sees row security, Lite grants every role everything,
await migrate(); // and sql/, which may be applied again, takes back what it does not mean to give
await app.init();
if (settings.template && !template && !settings.dataDir) {
  const dump = await connection.driver.dumpDataDir("none");
  writeFileSync(`${settings.template}.${process.pid}`, Buffer.from(await dump.arrayBuffer()));
  renameSync(`${settings.template}.${process.pid}`, settings.template);
}

// Lite tells an error it does not know by its text alone, so sql/'s own codes (ND…) travel in it.
messages.DatabaseError.prototype.toString = function () {
  return this.code?.startsWith("ND") ? `${this.code}: ${this.message}` : Error.prototype.toString.call(this);
};

// Lite answers 500 without a SQLSTATE where PostgREST answers 400 with the one of a violated check, or with sql/'s own.
async function asPostgrest(response) {
  if (response.status !== 500) return response;
  const body = await response.json();
  const own = /^(ND[0-9]{3}): (.*)$/s.exec(body.message ?? "");
  if (own) return Response.json({ ...body, code: own[1], message: own[2] }, { status: 400 });
  if (body.code !== "SUP" || !body.message.includes("violates check constraint")) {
    return Response.json(body, { status: 500 });
  }
  return Response.json({ ...body, code: "23514", message: body.message.replace(/^error: /, "") }, { status: 400 });
}

// Supabase's admin API makes accounts, also of a given id; Lite has none.
async function makeAccount(request) {
  const { id, email } = await request.json();
  await connection.exec`insert into auth.users (id, email) values (${id}, ${email}) on conflict (id) do nothing`;
  return Response.json({ id, email });
}

// Supabase has an editor that runs SQL as the owner of the database, in one transaction; Lite has none.
async function runSql(request) {
  try {
    await connection.driver.exec(await request.text());
    return new Response(null, { status: 204 });
  } catch (error) {
    return Response.json({ message: error.message }, { status: 400 });
  }
}

const OWN = { "/auth/v1/admin/users": makeAccount, "/pg/query": runSql };

async function answer(request, env) {
  const own = request.method === "POST" && OWN[new URL(request.url).pathname];
  if (!own) return asPostgrest(await app.fetch(request, { peerAddress: env.incoming.socket.remoteAddress ?? null }));
  if (request.headers.get("apikey") !== settings.secretKey) return Response.json({ code: 401 }, { status: 401 });
  return own(request);
}

const server = serve({ hostname: "127.0.0.1", port: settings.port, fetch: answer });

process.once("SIGTERM", async () => {
  server.close();
  await connection.close();
  process.exit(0);
});
