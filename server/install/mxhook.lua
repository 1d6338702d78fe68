-- The configuration of mxhook: mxhook.lua(5) explains every option, and `mxhook config` prints an example with all.
-- `mxhook init /etc/mxhook` writes rules to begin with; `mxhook check` says what is wrong.

domains = { "example.com" } -- yours

-- For `mxhook reload`, `status` and `health`, and the API and the console: mxhook-admin(7). Its users are root and the group
-- mxhook. "127.0.0.1:8026" beside it shows the console to browsers of this machine.
admin = { listen = { "unix:/run/mxhook/admin.sock" } }
