-- The configuration of mxhook: mxhook.lua(5) explains every option, and `mxhook config` prints an example with all.
-- `mxhook init /etc/mxhook` writes rules to begin with; `mxhook check` says what is wrong.

domains = { "example.com" } -- yours
