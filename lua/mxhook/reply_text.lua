--- msg.reply_text: what somebody wrote in answer, without the message that is quoted and without the signature.
--
-- A heuristic, never a promise: no standard says where an answer ends. It goes by what mail programs write above and
-- before what they quote. In doubt a line stays.

local concat, insert, char_of, floor = table.concat, table.insert, string.char, math.floor
local ipairs, tonumber = ipairs, tonumber

-- Lines ---------------------------------------------------------------------------------------

local function trim(text) return (text:match("^%s*(.-)%s*$")) end

local function lines_of(text)
    local lines = {}
    for line in (text:gsub("\r\n?", "\n") .. "\n"):gmatch("([^\n]*)\n") do insert(lines, line) end
    return lines
end

-- "On Mon, ... wrote:", in the languages of most mail programs; it may be folded over three lines.
local introductions = { { "^On .+", "wrote:$" }, { "^Am .+", "schrieb.*:$" }, { "^Le .+", "a [e\195]%S*crit%s*:$" },
    { "^El .+", "escribi\195\179:$" }, { "^Il .+", "ha scritto:$" },
    { "^Em .+", "escreveu:$" }, { "^Op .+", "schreef.*:$" }, { "^Den .+", "skrev.*:$" }, { "^P\195\165 .+", "skrev.*:$" },
    { "^W dniu .+", "pisze:$" }, { "^Dne .+", "napsal.*:$" }, { "^.+<[^<>%s]+@[^<>%s]+>.*", ":$" } }

local MAX_INTRODUCTION = 300 -- bytes of the lines together

local function is_introduction(lines, at)
    local text = ""
    for i = at, at + 2 do
        local line = lines[i] and trim(lines[i])
        if not line or line == "" or line:sub(1, 1) == ">" then return false end
        text = text == "" and line or text .. " " .. line
        if #text > MAX_INTRODUCTION then return false end
        for _, each in ipairs(introductions) do
            if text:find(each[1]) and text:find(each[2]) and text:find("%d") then return true end
        end
    end
    return false
end

-- "From: ..." and then at least two more fields, as Outlook puts above what it quotes.
local field_names = { from = true, sent = true, to = true, subject = true, date = true, cc = true, von = true,
    gesendet = true, an = true, betreff = true, datum = true, de = true, ["envoy\195\169"] = true, ["\195\128"] = true,
    objet = true, para = true, asunto = true, enviado = true, da = true, inviato = true, a = true, oggetto = true,
    van = true, verzonden = true, aan = true, onderwerp = true }

local function is_field(line)
    local name = line and line:gsub("%*", ""):match("^%s*([%a\128-\255]+)%s?:%s")
    return name ~= nil and field_names[name:lower()] ~= nil
end

local function is_header_block(lines, at)
    return is_field(lines[at]) and is_field(lines[at + 1]) and is_field(lines[at + 2])
end

local separators = { "^%-%-%-+%s*Original Message%s*%-%-%-+$", "^%-%-%-+%s*Forwarded [Mm]essage%s*%-%-%-+$",
    "^%-%-%-+%s*Urspr\195\188ngliche Nachricht%s*%-%-%-+$", "^%-%-%-+%s*Message d'origine%s*%-%-%-+$",
    "^%-%-%-+%s*Mensaje original%s*%-%-%-+$", "^%-%-%-+%s*Messaggio originale%s*%-%-%-+$",
    "^Begin forwarded message:$", "[Rr]eply above this line" }

local function is_separator(line)
    line = trim(line)
    if #line > 200 then return false end
    for _, pattern in ipairs(separators) do
        if line:find(pattern) then return true end
    end
    return false
end

local function is_rule(lines, at) -- "________", and then a header block
    return lines[at]:find("^%s*_____+%s*$") ~= nil and (is_header_block(lines, at + 1) or is_header_block(lines, at + 2))
end

local function ends_reply(lines, at)
    return is_separator(lines[at]) or is_rule(lines, at) or is_header_block(lines, at) or is_introduction(lines, at)
end

local sent_from = { "^Sent from my ", "^Sent from Outlook", "^Sent from Mail for ", "^Get Outlook for ",
    "^Von meinem .* gesendet", "^Envoy\195\169 de mon ", "^Enviado desde mi ", "^Inviato da " }

local function is_signature(line)
    if line:find("^%-%-%s?$") then return true end -- "-- " (RFC 3676 section 4.3)
    for _, pattern in ipairs(sent_from) do
        if line:find(pattern) then return true end
    end
    return false
end

-- Is there anything of the writer's own at or after this line? An answer below or between what is quoted.
local function has_own_text(lines, at)
    for i = at, #lines do
        local line = lines[i]
        if is_signature(line) then return false end
        if trim(line) ~= "" and line:sub(1, 1) ~= ">" and not ends_reply(lines, i) then return true end
    end
    return false
end

-- The line after an introduction: what it introduces is quoted by '>', or runs to the end.
local function after_introduction(lines, at)
    for i = at + 1, at + 4 do
        if not lines[i] then return nil end
        if lines[i]:sub(1, 1) == ">" then return i end
    end
end

local function own_lines(lines)
    local kept, at = {}, 1
    while lines[at] do
        local line = lines[at]
        if is_signature(line) then break end
        if ends_reply(lines, at) then
            local quoted = is_introduction(lines, at) and after_introduction(lines, at)
            if not quoted then break end
            local rest = quoted
            while lines[rest] and (lines[rest]:sub(1, 1) == ">" or trim(lines[rest]) == "") do rest = rest + 1 end
            if not has_own_text(lines, rest) then break end
            at = rest
        else
            if line:sub(1, 1) ~= ">" then insert(kept, line) end
            at = at + 1
        end
    end
    return kept
end

local function reply_of(text)
    local kept = own_lines(lines_of(text))
    local joined = concat(kept, "\n"):gsub("\n\n\n+", "\n\n")
    return trim(joined)
end

-- HTML ----------------------------------------------------------------------------------------

local entities = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'", nbsp = " ", ndash = "\226\128\147",
    mdash = "\226\128\148", hellip = "\226\128\166", euro = "\226\130\172", auml = "\195\164", ouml = "\195\182",
    uuml = "\195\188", Auml = "\195\132", Ouml = "\195\150", Uuml = "\195\156", szlig = "\195\159",
    eacute = "\195\169", egrave = "\195\168", agrave = "\195\160", ccedil = "\195\167", ntilde = "\195\177" }

local function utf8(code)
    if not code or code < 32 or code > 0x10FFFF or code >= 0xD800 and code < 0xE000 then return " " end
    if code < 0x80 then return char_of(code) end
    local tail, first = "", code < 0x800 and 0xC0 or code < 0x10000 and 0xE0 or 0xF0
    for _ = 1, code < 0x800 and 1 or code < 0x10000 and 2 or 3 do
        tail = char_of(0x80 + code % 64) .. tail
        code = floor(code / 64)
    end
    return char_of(first + code) .. tail
end

local function decode(entity)
    local hex, decimal = entity:match("^#[xX](%x+)$"), entity:match("^#(%d+)$")
    if hex then return utf8(tonumber(hex, 16)) end
    if decimal then return utf8(tonumber(decimal)) end
    return entities[entity]
end

-- Where what follows is quoted: the elements that mail programs put around it.
local quoting = { "<blockquote", "<div[^>]-class=[\"']?gmail_quote", "<div[^>]-id=[\"']?appendonsend",
    "<div[^>]-id=[\"']?divRplyFwdMsg", "<div[^>]-class=[\"']?yahoo_quoted", "<div[^>]-class=[\"']?moz%-cite%-prefix",
    "<div[^>]-class=[\"']?moz%-signature", "<div[^>]-class=[\"']?gmail_signature" }

local function text_of(html)
    local cut = #html + 1
    for _, pattern in ipairs(quoting) do
        local at = html:find(pattern)
        if at and at < cut then cut = at end
    end
    html = html:sub(1, cut - 1)
    for _, name in ipairs { "style", "script", "head", "title" } do
        html = html:gsub("<" .. name .. "[^>]*>.-</" .. name .. ">", " ")
    end
    html = html:gsub("<!%-%-.-%-%->", " "):gsub("[ \t\r\n]+", " ")
    html = html:gsub("<[bB][rR]%s*/?>%s?", "\n"):gsub("</?[pP]%f[%A][^>]*>%s?", "\n"):gsub("<[dD][iI][vV]%f[%A][^>]*>%s?", "\n")
    html = html:gsub("</?[lL][iI]%f[%A][^>]*>%s?", "\n"):gsub("</[tT][rR]>", "\n"):gsub("<[^>]*>", "")
    return (html:gsub("&(#?%w+);", decode):gsub("[ \t]+\n", "\n"))
end

--- The reply in a message's text, or in its HTML where there is no text; nil where there is neither.
return function(text, html)
    if text then return reply_of(text) end
    return html and reply_of(text_of(html)) or nil
end
