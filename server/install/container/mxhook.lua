-- The configuration of the container, from its environment: MXHOOK_DOMAINS (by comma), MXHOOK_HOSTNAME, and MXHOOK_POSTGRES
-- where nodes share a PostgreSQL (compose.postgres.yaml). For more than that, mount your own /etc/mxhook. See mxhook.lua(5).
domains = {}
for domain in env("MXHOOK_DOMAINS", "example.com"):gmatch("[^%s,]+") do domains[#domains + 1] = domain end
hostname = env("MXHOOK_HOSTNAME", domains[1])
listen = { "0.0.0.0:2525", "[::]:2525" }
admin = { listen = { "unix:/var/lib/mxhook/admin.sock" } } -- for `mxhook health`; in the volume, as all else may be read-only
local postgres = env("MXHOOK_POSTGRES")
if postgres then spool = { postgres = postgres, migrate = true } end
