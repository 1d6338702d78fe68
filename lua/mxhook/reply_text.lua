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

-- "On Mon, ... wrote:", in the languages of most mail programs; it may be folded over three lines. The last two: who
-- wrote, by address, and a colon (a wide one too), whatever the language.
local introductions = { { "^On .+", "wrote:$" }, { "^Am .+", "schrieb.*:$" }, { "^Le .+", "a [e\195]%S*crit%s*:$" },
    { "^El .+", "escribi\195\179:$" }, { "^Il .+", "ha scritto:$" }, { "^Op .+", "geschreven:$" },
    { "^Em .+", "escreveu:$" }, { "^Op .+", "schreef.*:$" }, { "^Den .+", "skrev.*:$" }, { "^P\195\165 .+", "skrev.*:$" },
    { "^W dniu .+", "pisze:$" }, { "^Dne .+", "napsal.*:$" }, { "^.+<[^<>%s]+@[^<>%s]+>.*", ":$" },
    { "^.+%([^()%s]+@[^()%s]+%).*", ":$" } }

local MAX_INTRODUCTION = 300 -- bytes of the lines together

local function is_quote_below(lines, at)
    for i = at + 1, at + 2 do
        if lines[i] and lines[i]:sub(1, 1) == ">" then return true end
    end
    return false
end

local function is_introduction(lines, at)
    local text = ""
    for i = at, at + 2 do
        local line = lines[i] and trim(lines[i])
        if not line or line == "" or line:sub(1, 1) == ">" then return false end
        line = line:gsub("\239\188\154", ":")
        text = text == "" and line or text .. " " .. line
        if #text > MAX_INTRODUCTION then return false end
        for _, each in ipairs(introductions) do
            if text:find(each[1]) and text:find(each[2]) and (text:find("%d") or is_quote_below(lines, i)) then return true end
        end
    end
    return false
end

-- "From: ..." and then at least two more fields, as Outlook puts above what it quotes, in the languages above.
local field_names = {}
for name in ([[from sent to subject date cc von gesendet an betreff datum kopie de envoy\195\169 \195\128 objet date para
    asunto enviado fecha da inviato a oggetto data van verzonden aan onderwerp enviada|em assunto od wys\197\130ano do temat
    fr\195\165n skickat till \195\164mne fra sendt til emne \208\158\209\130 \208\159\208\190\208\187\209\131\209\135\208\181\208\189\208\190
    ]]):gmatch("%S+") do
    field_names[name:gsub("\\(%d+)", function(code) return char_of(tonumber(code)) end):gsub("|", " "):lower()] = true
end
for _, name in ipairs { "差出人", "送信者", "送信日時", "日付", "宛先", "件名", "发件人", "发送时间", "收件人", "主题", "抄送",
    "От", "Отправлено", "Кому", "Тема", "Від", "Надіслано", "Wysłane", "Odesláno", "Komu", "Předmět", "Kimden", "Gönderildi",
    "Gönderilme", "Kime", "Konu", "Feladó", "Elküldve", "Címzett", "Tárgy", "Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe",
    "De la", "Trimis", "Către", "Subiect", "Από", "Στάλθηκε", "Προς", "Θέμα", "Objet", "Ämne", "À",
    "보낸 사람", "보낸 날짜", "받는 사람", "제목" } do field_names[name] = true end

local function is_field(line)
    local name = line and line:gsub("%*", ""):gsub("\239\188\154", ": "):match("^%s*([%a\128-\255][%a\128-\255 ]-)%s?:%s")
    return name ~= nil and (field_names[name:lower()] or field_names[name]) ~= nil
end

local function is_header_block(lines, at)
    return is_field(lines[at]) and is_field(lines[at + 1]) and is_field(lines[at + 2])
end

-- "-----Original Message-----" in any language: five dashes or more on both sides, and a field below it.
local function is_divider(lines, at)
    local words = trim(lines[at]):match("^%-%-%-%-%-+%s*([%a\128-\255][^%-]-)%s*%-%-%-%-%-+$")
    if not words or #words > 60 then return false end
    return is_field(lines[at + 1]) or is_field(lines[at + 2])
end

local separators = { "^%-%-%-+%s*Original [Mm]essage%s*%-%-%-+$", "^%-%-%-+%s*Forwarded [Mm]essage%s*%-%-%-+$",
    "^Begin forwarded message:$", "[Rr]eply above this line" }

local function is_separator(lines, at)
    local line = trim(lines[at])
    if #line > 200 then return false end
    for _, pattern in ipairs(separators) do
        if line:find(pattern) then return true end
    end
    return is_divider(lines, at)
end

local function is_rule(lines, at) -- "________", and then a header block
    return lines[at]:find("^%s*_____+%s*$") ~= nil and (is_header_block(lines, at + 1) or is_header_block(lines, at + 2))
end

local function ends_reply(lines, at)
    return is_separator(lines, at) or is_rule(lines, at) or is_header_block(lines, at) or is_introduction(lines, at)
end

-- What programs on phones put below an answer.
local sent_from = { "^Sent from ", "^Sent with ", "^Sent via ", "^Get Outlook for ", "^Von mein[em]+ .*gesendet", "^Gesendet von ",
    "^Gesendet mit ", "^Envoy\195\169 de ", "^Envoy\195\169 depuis ", "^Envoy\195\169 avec ", "^Enviado desde ", "^Enviado d[oe] ",
    "^Inviato da ", "^Verstuurd vanaf ", "^Verzonden vanaf ", "^Skickat fr\195\165n ", "^Sendt fra ", "^Wys\197\130an[eo] z ",
    "から送信$", "^发自我的", "^Отправлено с ", "에서 보냄$" }

local MAX_SENT_FROM = 120 -- bytes

-- Above nothing, or what is quoted: in the midst of a text it is a sentence.
local function is_sent_from(lines, at)
    local line, below = trim(lines[at]), at + 1
    if #line > MAX_SENT_FROM then return false end
    while lines[below] and trim(lines[below]) == "" do below = below + 1 end
    local next_line = lines[below]
    if next_line and next_line:sub(1, 1) ~= ">" and not next_line:find("^%-%-%s?$") and not ends_reply(lines, below) then
        return false
    end
    for _, pattern in ipairs(sent_from) do
        if line:find(pattern) then return true end
    end
    return false
end

local function is_signature(lines, at)
    return lines[at]:find("^%-%-%s?$") ~= nil -- "-- " (RFC 3676 section 4.3)
        or is_sent_from(lines, at)
end

-- Is there anything of the writer's own at or after this line? An answer below or between what is quoted.
local function has_own_text(lines, at)
    for i = at, #lines do
        local line = lines[i]
        if is_signature(lines, i) then return false end
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
        if is_signature(lines, at) then break end
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
    "<div[^>]-id=[\"']?divrplyfwdmsg", "<div[^>]-class=[\"']?yahoo_quoted", "<div[^>]-class=[\"']?protonmail_quote",
    "<div[^>]-class=[\"']?moz%-cite%-prefix",
    "<div[^>]-class=[\"']?moz%-signature", "<div[^>]-class=[\"']?gmail_signature" }

-- Without the elements of that name, in any case; one that is not closed stays.
local function without(html, name)
    local parts, at, lower = {}, 1, html:lower()
    while true do
        local start, tag_end = lower:find("<" .. name .. "%f[%A][^>]*>", at)
        local _, stop = lower:find("</" .. name .. ">", tag_end or 1, true)
        if not start or not stop then break end
        insert(parts, html:sub(at, start - 1))
        at = stop + 1
    end
    insert(parts, html:sub(at))
    return concat(parts, " ")
end

-- Without the first line that says who wrote, by its class.
local function without_prefix(html, class)
    local start, stop = html:lower():find("<div[^>]-class=[\"']?[^>]-" .. class .. ".-</div>")
    return start and html:sub(1, start - 1) .. html:sub(stop + 1) or html
end

-- Without what is in a blockquote, however they stand in each other.
local function without_quotes(html)
    local parts, at, depth, lower = {}, 1, 0, html:lower()
    while true do
        local start, stop, slash = lower:find("<(/?)blockquote%f[%A][^>]*>", at)
        if depth == 0 then insert(parts, html:sub(at, (start or #html + 1) - 1)) end
        if not start then break end
        depth = slash == "" and depth + 1 or depth > 0 and depth - 1 or 0
        at = stop + 1
    end
    return concat(parts, " ")
end

local function plain(html)
    html = html:gsub("<!%-%-.-%-%->", " "):gsub("[ \t\r\n]+", " ")
    html = html:gsub("<[bB][rR]%s*/?>%s?", "\n"):gsub("</?[pP]%f[%A][^>]*>%s?", "\n"):gsub("<[dD][iI][vV]%f[%A][^>]*>%s?", "\n")
    html = html:gsub("</?[lL][iI]%f[%A][^>]*>%s?", "\n"):gsub("</[tT][rR]>", "\n"):gsub("<[^>]*>", "")
    return (html:gsub("&(#?%w+);", decode):gsub("[ \t]+\n", "\n"))
end

local function text_of(html)
    for _, name in ipairs { "style", "script", "head", "title" } do html = without(html, name) end
    local lower, cut = html:lower(), #html + 1
    for _, pattern in ipairs(quoting) do
        local at = lower:find(pattern)
        if at and at < cut then cut = at end
    end
    local above = plain(html:sub(1, cut - 1))
    if cut > #html or above:find("%S") then return above end
    -- an answer below what it quotes
    return plain(without_quotes(without_prefix(without_prefix(html, "moz%-cite%-prefix"), "gmail_attr")))
end

--- The reply in a message's text, or in its HTML where there is no text; nil where there is neither.
return function(text, html)
    if text then return reply_of(text) end
    return html and reply_of(text_of(html)) or nil
end
