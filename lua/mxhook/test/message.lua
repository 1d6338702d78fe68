--- A message for a test, from a table:
--
--   { from = "Ada <ada@a.example>", to = "sales@b.example", cc = ..., subject = ..., text = ..., html = ...,
--     date = ..., headers = { ["X-Tag"] = "a", ["X-List"] = { "a", "b" } },
--     attachments = { { name = "a.pdf", type = "application/pdf", content = "..." } },
--     envelope = { sender = ..., recipient = ..., client_ip = ..., helo = ..., tls = ..., user = ... },
--     auth = { spf = "fail", ... }, at = "2026-03-01T09:00:00+01:00" }
--
-- All may be missing. `sender` and `recipient` may stand outside of `envelope` too, and what stands in it is also
-- route()'s second argument; auth.lua says more of `auth`.

local nearest = require "mxhook.nearest"

local names, known = {}, {}
for name in ("from to cc subject text html date headers attachments envelope sender recipient auth scan at")
    :gmatch("%a+") do
    names[#names + 1], known[name] = name, true
end

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
    local lines, line = {}, {}
    for i = 1, #bytes, 3 do
        local a, b, c = bytes:byte(i, i + 2)
        local bits = a * 65536 + (b or 0) * 256 + (c or 0)
        for place = 3, 0, -1 do
            local digit = math.floor(bits / 64 ^ place) % 64 + 1
            line[#line + 1] = digits:sub(digit, digit)
        end
        if not b then line[#line - 1] = "=" end
        if not c then line[#line] = "=" end
        if #line >= 76 then
            lines[#lines + 1] = table.concat(line)
            line = {}
        end
    end
    lines[#lines + 1] = table.concat(line)
    return table.concat(lines, "\r\n")
end

-- RFC 2047 where it is not plain ASCII; in words short enough for a line.
local function encoded(text)
    if not text:find("[^\32-\126]") then return text end
    local words = {}
    local at = 1
    while at <= #text do
        local stop = math.min(at + 44, #text)
        while text:find("^[\128-\191]", stop + 1) do stop = stop - 1 end
        words[#words + 1] = "=?utf-8?b?" .. base64(text:sub(at, stop)) .. "?="
        at = stop + 1
    end
    return table.concat(words, "\r\n ")
end

local function part(type, text, more)
    return ("Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n%s\r\n%s\r\n"):format(type, more or "",
        base64(text))
end

local function multipart(kind, boundary, parts)
    local lines = { ("Content-Type: multipart/%s; boundary=%s\r\n\r\n"):format(kind, boundary) }
    for _, body in ipairs(parts) do lines[#lines + 1] = "--" .. boundary .. "\r\n" .. body end
    lines[#lines + 1] = "--" .. boundary .. "--\r\n"
    return table.concat(lines)
end

local function body_of(message)
    local bodies = {}
    if message.text or not message.html then
        bodies[1] = part("text/plain; charset=utf-8", message.text or "")
    end
    if message.html then bodies[#bodies + 1] = part("text/html; charset=utf-8", message.html) end
    local body = #bodies == 1 and bodies[1] or multipart("alternative", "mxhook-body", bodies)
    if not message.attachments then return body end
    local parts = { body }
    for _, attachment in ipairs(message.attachments) do
        parts[#parts + 1] = part(attachment.type or "application/octet-stream", attachment.content or "",
            ('Content-Disposition: attachment; filename="%s"\r\n'):format(attachment.name or "attachment"))
    end
    return multipart("mixed", "mxhook-parts", parts)
end

local function address_of(text)
    if not text then return nil end
    return text:match("<([^>]*)>") or text:match("^%s*([^,%s]+)")
end

--- The bytes of the message, and its envelope.
return function(message)
    for key in pairs(message) do
        if not known[key] then
            error(("route: a message has no '%s'%s"):format(tostring(key),
                nearest(tostring(key), names, " (did you mean '%s'?)")), 3)
        end
    end
    local lines = {}
    local function check(name, value)
        if tostring(value):find("[%z\r\n]") then
            error(("route: %s: a value cannot hold CR, LF or NUL, in real mail neither"):format(name), 4)
        end
        return value
    end
    local function add(name, value)
        if not tostring(name):find("^[!-9;-~]+$") then
            error(("route: headers: '%s' is no name of a field"):format(tostring(name)), 3)
        end
        if value ~= nil then check(name, value) end
        if value ~= nil then lines[#lines + 1] = name .. ": " .. encoded(tostring(value)) end
    end
    local function list(value) return type(value) == "table" and table.concat(value, ", ") or value end
    local from, to = list(message.from) or "sender@sender.example", list(message.to)
    for name, value in pairs { from = from, to = to or "", cc = list(message.cc) or "" } do check(name, value) end
    lines[#lines + 1] = "From: " .. from
    if to then lines[#lines + 1] = "To: " .. to end
    if message.cc then lines[#lines + 1] = "Cc: " .. list(message.cc) end
    add("Subject", message.subject)
    add("Date", message.date or "Thu, 13 Feb 2020 13:44:12 -0800")
    for name, value in pairs(message.headers or {}) do
        for _, item in ipairs(type(value) == "table" and value or { value }) do add(name, item) end
    end
    lines[#lines + 1] = "MIME-Version: 1.0"
    local envelope = {}
    for key, value in pairs(message.envelope or {}) do envelope[key] = value end -- test.lua checks them
    envelope.sender = envelope.sender or message.sender or address_of(from)
    envelope.recipient = envelope.recipient or message.recipient or address_of(to)
    envelope.auth = envelope.auth or message.auth
    envelope.at = envelope.at or message.at
    envelope.scan = envelope.scan or message.scan
    return table.concat(lines, "\r\n") .. "\r\n" .. body_of(message), envelope
end
