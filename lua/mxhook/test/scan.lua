--- What a scanner said, as a test says it:
--
--   scan = { score = 20, action = "reject", symbols = { GTUBE = 20, CLAM_VIRUS = { score = 5, options = { "Eicar" } } } }
--   scan = { error = "the scanner does not answer" }
--
-- What is missing is that of a harmless message: score 0, required 15, "no action", no symbols. `spam` follows from the
-- action, which may be one of the operator's own too.

local check_one_of = require "mxhook.test.one_of"
local nearest = require "mxhook.nearest"

local fields = { "score", "required", "action", "symbols", "spam", "virus", "error", "message" }
local types = { score = "number", required = "number", action = "string", symbols = "table", spam = "boolean",
    virus = "string", error = "string", message = "string" }
local actions = { "no action", "greylist", "add header", "rewrite subject", "soft reject", "reject" }
local spam = { ["add header"] = true, ["rewrite subject"] = true, reject = true }

local function expect(value, kind, where)
    if type(value) ~= kind then error(("%s: a %s was expected, not a %s"):format(where, kind, type(value)), 0) end
end

-- rspamd's, or one of the operator's own, which no slip of the pen should be.
local function check_action(action)
    for _, known in ipairs(actions) do
        if action == known then return end
    end
    local meant = nearest(action, actions, "; did you mean '%s'?")
    if meant ~= "" or #action > 64 or not action:find("^[ -~]+$") or action:find('["\\]') then
        error(("scan.action: '%s' is no action of rspamd's%s"):format(action, meant), 0)
    end
end

local function read_symbols(symbols)
    local list = {}
    for name, symbol in pairs(symbols) do
        expect(name, "string", "scan.symbols: a name")
        if type(symbol) == "number" then symbol = { score = symbol } end
        local where = ("scan.symbols.%s"):format(name)
        expect(symbol, "table", where)
        for key in pairs(symbol) do check_one_of(key, { "score", "options" }, where) end
        expect(symbol.score or 0, "number", where .. ".score")
        expect(symbol.options or {}, "table", where .. ".options")
        for index, option in ipairs(symbol.options or {}) do
            expect(option, "string", ("%s.options[%d]"):format(where, index))
        end
        list[#list + 1] = { name = name, score = symbol.score or 0, options = symbol.options or {} }
    end
    table.sort(list, function(a, b) return a.name < b.name end)
    return list
end

return function(scan)
    expect(scan, "table", "scan")
    for key, value in pairs(scan) do
        check_one_of(key, fields, "scan")
        expect(value, types[key], "scan." .. key)
    end
    local action = scan.action or "no action"
    check_action(action)
    local is_spam = scan.spam
    if is_spam == nil then is_spam = spam[action] or false end
    return {
        score = scan.score or 0,
        required = scan.required or 15,
        action = action,
        symbols = read_symbols(scan.symbols or {}),
        spam = is_spam,
        virus = scan.virus,
        error = scan.error,
        message = scan.message,
    }
end
