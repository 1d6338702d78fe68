-- Where mail goes, by recipient. The best match alone answers: exact, then without "+tag", then
-- regular expressions, then wildcards. Upper and lower case are the same.

-- A rule sees only environment variables that begin with MXHOOK_.
local webhook = env("MXHOOK_DEMO_URL", "http://127.0.0.1:8080/mail")

return alias {
    ["hook@example.com"] = webhook,

    -- support+acme@example.com goes here too; the rule in 05-support.lua has marked it before
    ["support@example.com"] = webhook,

    -- inv-2042@example.com: the number becomes a part of the URL
    ["/^inv-(\\d+)@example\\.com$/"] = webhook .. "/invoices/$1",

    -- accepted, and dropped
    ["noreply@example.com"] = "null",
}
