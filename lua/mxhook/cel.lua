--- cel: the Common Expression Language over a message, for route.cel.
--
--   recipient, localpart, tag, domain   of the recipient, in lower case, the domain as A-label (xn--); "" where none
--   now                       timestamp, of receipt; the sender's Date is a claim
--   automatic                 "reply", "list", "bounce", "report", or ""
--   subject, body, text, html, sender, from, message_id, helo, client_ip, client_name, user,
--   spf, dkim, dmarc, iprev   strings ("" where the message has none; "none" for the last four)
--   dnsbl                     a list of the blocklists' zones that have the client
--   to, cc                    lists of addresses
--   headers                   a map by name, in any case; "" where there is none; has(), in tell
--   attachments               a list of maps: name, type, size
--   size                      int, bytes
--   timestamp                 timestamp, of the Date header
--   tls                       bool
--   scan                      a map: score, required, action, symbols (name: { score, options }), spam, virus, error

local compile = require "mxhook.cel.compile"
local rule = require "mxhook.rule"
local values = require "mxhook.cel.values"

local error, getmetatable, pairs, pcall, rawget, rawset, setmetatable, type = error, getmetatable, pairs, pcall, rawget,
    rawset, setmetatable, type
local sort, max, raw_metatable = table.sort, math.max, debug.getmetatable

local cel = {}

local helpers = {}

function helpers.body(msg) return msg.text or msg.html or "" end

local function emails(list)
    local found = {}
    for i = 1, #list do found[i] = list[i].email or "" end
    return values.list(found)
end
function helpers.to(msg) return emails(msg.to) end
function helpers.cc(msg) return emails(msg.cc) end

function helpers.attachments(msg)
    local list = {}
    for i = 1, #msg.attachments do
        local part = msg.attachments[i]
        list[i] = values.map { "name", part.name or "", "type", part.type, "size", values.int(part.size) }
    end
    return values.list(list)
end

-- The whole map only where an expression goes through it; a look-up asks msg.
local function header_entries(msg)
    local map = { keys = {}, values = {} }
    for name, value in msg.headers:iter() do
        name = name:lower()
        if map.values[name] == nil then
            map.values[name] = value
            map.keys[#map.keys + 1] = name
        end
    end
    return map
end

local lazy = { kind = "map" }

function lazy.__index(map, field)
    if field ~= "keys" and field ~= "values" then return nil end
    local entries = header_entries(rawget(map, "msg"))
    rawset(map, "keys", entries.keys)
    rawset(map, "values", entries.values)
    return entries[field]
end

function helpers.headers(msg)
    local headers = msg.headers
    return setmetatable({
        msg = msg,
        default = "",
        lookup = function(key)
            if type(key) ~= "string" or key == "all" or key == "iter" then return nil end
            return headers[key]
        end,
    }, lazy)
end

function helpers.header(msg, name)
    if name == "all" or name == "iter" then return "" end
    return msg.headers[name] or ""
end

function helpers.timestamp(msg) return values.timestamp(msg.timestamp, 0) end

-- The result as a word; of several signatures "pass" where one passes.
local function word(checked) return checked and checked.result or "none" end
function helpers.spf(msg) return word(msg.auth.spf) end
function helpers.dmarc(msg) return word(msg.auth.dmarc) end

function helpers.iprev(msg) return word(msg.auth.iprev) end

-- The zones that list the client.
function helpers.dnsbl(msg)
    local zones, lists = {}, msg.auth.dnsbl
    for zone, answer in raw_metatable(lists).__pairs(lists) do -- a userdata
        if answer.listed then zones[#zones + 1] = zone end
    end
    sort(zones)
    return values.list(zones)
end

function helpers.dkim(msg)
    local signatures = msg.auth.dkim
    for i = 1, signatures and #signatures or 0 do
        if signatures[i].result == "pass" then return "pass" end
    end
    return word(signatures and signatures[1])
end

-- Of a message that was not scanned: no score, no action, no symbols.
function helpers.scan(msg)
    local scan, symbols = msg.scan, {}
    if not scan or scan.error then
        return values.map { "score", 0, "required", 0, "action", "", "spam", false, "virus", "", "symbols", values.map {},
                            "error", scan and scan.error or "" }
    end
    for name, symbol in raw_metatable(scan.symbols).__pairs(scan.symbols) do -- a userdata
        local options = {}
        for i = 1, #symbol.options do options[i] = symbol.options[i] end
        symbols[#symbols + 1] = name
        symbols[#symbols + 1] = values.map { "score", symbol.score, "options", values.list(options) }
    end
    return values.map { "score", scan.score, "required", scan.required, "action", scan.action, "spam", scan.spam,
                        "virus", scan.virus or "", "symbols", values.map(symbols), "error", "" }
end

local variables = {
    scan = { code = "H.scan(V)", type = "map" },
    subject = { code = "V.subject", type = "string" },
    body = { code = "H.body(V)", type = "string" },
    text = { code = '(V.text or "")', type = "string" },
    html = { code = '(V.html or "")', type = "string" },
    sender = { code = "V.envelope.sender", type = "string" },
    recipient = { code = "V.envelope.address", type = "string" },
    localpart = { code = "V.envelope.localpart", type = "string" },
    tag = { code = '(V.envelope.tag or "")', type = "string" },
    domain = { code = "V.envelope.domain", type = "string" },
    automatic = { code = '(V.automatic or "")', type = "string" },
    now = { code = "R.timestamp(V.received, 0)", type = "google.protobuf.Timestamp" },
    client_ip = { code = "V.envelope.client_ip", type = "string" },
    client_name = { code = '(V.envelope.client_name or "")', type = "string" },
    dnsbl = { code = "H.dnsbl(V)", type = "list", item = "string" },
    helo = { code = '(V.envelope.helo or "")', type = "string" },
    user = { code = '(V.envelope.user or "")', type = "string" },
    tls = { code = "V.envelope.tls", type = "bool" },
    from = { code = '(V.from.email or "")', type = "string" },
    message_id = { code = '(V.message_id or "")', type = "string" },
    size = { code = "R.int(V.size)", type = "int" },
    timestamp = { code = "H.timestamp(V)", type = "google.protobuf.Timestamp" },
    to = { code = "H.to(V)", type = "list", item = "string" },
    cc = { code = "H.cc(V)", type = "list", item = "string" },
    attachments = { code = "H.attachments(V)", type = "list", item = "map" },
    headers = { code = "H.headers(V)", type = "map", at = "H.header(V, %q)", at_type = "string" },
}
for _, name in ipairs { "spf", "dkim", "dmarc", "iprev" } do
    variables[name] = { code = ("H.%s(V)"):format(name), type = "string" }
end

-- The line of the expression that `pos` is in, and a caret below the place.
local function point_at(text, pos)
    local from = 1
    for at in text:gmatch("()\n") do
        if at < pos then from = at + 1 end
    end
    local line = text:sub(from):match("^[^\r\n]*")
    return ("\n    %s\n    %s^"):format(line, (line:sub(1, max(pos - from, 0)):gsub("[^\t]", " ")))
end

local function describe(failure, text)
    if type(failure) ~= "table" or not failure.cel then return nil end
    return failure.cel .. point_at(text, failure.pos or 1)
end

local function suggest(name, others)
    local names = others or {}
    if not others then
        for variable in pairs(variables) do names[#names + 1] = variable end
        sort(names)
    end
    return rule.suggest(name, names)
end

--- A function of msg that gives true or false. What is wrong with the expression is raised as text, which
-- shows it with a caret; so is what goes wrong when it is evaluated.
function cel.compile(text)
    local ok, test, kind = pcall(compile, text, variables, helpers, true, suggest)
    if not ok then error(describe(test, text) or test, 0) end
    if kind ~= "bool" and kind ~= "dyn" then
        error(("it gives %s, but true or false is needed"):format(kind) .. point_at(text, 1), 0)
    end
    return function(msg)
        if type(msg) ~= "userdata" or getmetatable(msg) ~= "msg" then
            error("an expression is asked about msg, not about a " .. type(msg), 0)
        end
        local done, result = pcall(test, msg)
        if not done then error(describe(result, text) or result, 0) end
        if type(result) ~= "boolean" then
            error(("it gave %s, but true or false is needed"):format(values.kind_of(result))
                .. point_at(text, 1), 0)
        end
        return result
    end
end

return cel
