-- The messages that tests of rules are made of: what is encoded in them decodes to what was given, in lines and words of the
-- lengths that RFC 2045 and RFC 2047 allow. Returns how many messages there were.
local new_message = require "mxhook.test.message"

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function unbase64(text)
    local bits, count, bytes = 0, 0, {}
    for digit in text:gsub("[=\r\n]", ""):gmatch(".") do
        bits, count = bits * 64 + assert(digits:find(digit, 1, true)) - 1, count + 6
        if count >= 8 then
            count = count - 8
            bytes[#bytes + 1] = string.char(math.floor(bits / 2 ^ count))
            bits = bits % 2 ^ count
        end
    end
    return table.concat(bytes)
end

local count = 0

local function check(ok, what, text)
    if not ok then error(("%s: %q"):format(what, text), 0) end
end

local function check_subject(subject, encoded)
    local bytes = new_message { subject = subject }
    local value = bytes:match("\r\nSubject: (.-)\r\nDate:")
    count = count + 1
    if not encoded then return check(value == subject, "is not as it was", value) end
    local whole = ""
    for word in value:gmatch("%S+") do
        local text = unbase64(word:match("^=%?utf%-8%?b%?([%w+/=]*)%?=$") or error("no encoded word: " .. word, 0))
        check(#word <= 75, "is too long", word)
        check(not text:find("^[\128-\191]"), "begins within a character", subject)
        whole = whole .. text
    end
    check(whole == subject, "is not what was given", whole)
    check(not value:find("\n[^ ]"), "is not folded", value)
end

for _, character in ipairs { "\195\164", "\226\130\172", "\240\159\152\128" } do
    for before = 0, 47 do check_subject(("a"):rep(before) .. character:rep(30), true) end
    for size = 1, 24 do check_subject(character:rep(size), true) end
end
check_subject(("a"):rep(43) .. "\195\164b", true) -- one byte in its last word
check_subject(" !~" .. ("a"):rep(100), false)
check_subject("a\127", true)
check_subject("a\31", true)

local function check_text(size)
    local text = ""
    for i = 1, size do text = text .. string.char((i * 37 + size) % 256) end
    local bytes = new_message { text = text }
    local body = bytes:match("\r\n\r\n(.*)$")
    count = count + 1
    check(unbase64(body) == text, "is not the text", body)
    check(#body:gsub("[\r\n]", "") % 4 == 0, "is not padded", body)
    local lines = 0
    for line in body:gmatch("[^\r\n]+") do
        lines = lines + 1
        check(#line <= 76, "is too long a line", line)
    end
    check(lines == math.ceil(size / 57), "has more lines than it needs", body)
end

for size = 0, 6 do check_text(size) end
for size = 55, 60 do check_text(size) end
check_text(256)

-- Who it is from and to, as the envelope has it.
for _, row in ipairs {
    { { from = "Ada <ada@a.example>", to = "B <b@b.example>, c@b.example" }, "ada@a.example", "b@b.example" },
    { { from = { "a@a.example", "b@a.example" }, to = { "c@b.example", "d@b.example" } }, "a@a.example", "c@b.example" },
    { { to = " c@b.example" }, "sender@sender.example", "c@b.example" },
    { { to = "x@b.example", sender = "s@a.example", recipient = "r@b.example" }, "s@a.example", "r@b.example" },
    { { to = "x@b.example", sender = "no", recipient = "no", envelope = { sender = "", recipient = "e@b.example" } }, "", "e@b.example" },
} do
    local _, envelope = new_message(row[1])
    count = count + 1
    check(envelope.sender == row[2], "is the sender", tostring(envelope.sender))
    check(envelope.recipient == row[3], "is the recipient", tostring(envelope.recipient))
end

local function check_refused(message, expected)
    local ok, wrong = pcall(new_message, message)
    count = count + 1
    check(not ok and tostring(wrong):find(expected, 1, true), "is not refused with " .. expected, tostring(wrong))
end

check_refused({ subjet = "x" }, "route: a message has no 'subjet' (did you mean 'subject'?)")
check_refused({ [1] = "x" }, "route: a message has no '1'")
for _, wrong in ipairs { "a\rb", "a\nb", "a\0b" } do
    for _, name in ipairs { "from", "to", "cc", "subject", "date" } do
        check_refused({ [name] = wrong }, ("%s: a value cannot hold CR, LF or NUL"):format(name == "subject" and "Subject"
            or name == "date" and "Date" or name))
    end
    check_refused({ headers = { X = { "a", wrong } } }, "X: a value cannot hold CR, LF or NUL")
end
for _, name in ipairs { "", "A B", "A:", "A\127", "A\195" } do
    check_refused({ headers = { [name] = "x" } }, "is no name of a field")
end

local bytes = new_message { headers = { ["!9;~"] = { 1, "b" } }, html = "<p>", text = "t", attachments = { { name = "a" }, {} } }
check(bytes:find("\r\n!9;~: 1\r\n!9;~: b\r\n", 1, true), "has no such fields", bytes)
for boundary, parts in pairs { ["mxhook-body"] = 2, ["mxhook-parts"] = 3 } do
    check(select(2, bytes:gsub("%-%-" .. boundary:gsub("%-", "%%-") .. "\r\n", "")) == parts, "has other parts", bytes)
    check(bytes:find("\r\n--" .. boundary .. "--\r\n", 1, true), "does not end", bytes)
end

local whole, given = new_message { from = "a@a", to = "b@b", cc = { "c@c", "d@d" }, subject = "s", date = "d", text = "t", auth = 1, at = 2, scan = 3 }
check(whole == "From: a@a\r\nTo: b@b\r\nCc: c@c, d@d\r\nSubject: s\r\nDate: d\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
    .. "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\ndA==\r\n", "is not this message", whole)
check(given.auth == 1 and given.at == 2 and given.scan == 3, "is its envelope", tostring(given.at))
local _, own = new_message { auth = 1, at = 2, scan = 3, envelope = { auth = 4, at = 5, scan = 6 } }
check(own.auth == 4 and own.at == 5 and own.scan == 6, "is the envelope's own", tostring(own.at))
return count + 1
