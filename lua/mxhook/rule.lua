--- What the constructors (alias, route.regex, route.cel) have in common: a rule that they made.
--
-- A rule holds answer(msg) -> an answer, source "10-alias.lua:3", and of aliases: serves(recipient) -> boolean,
-- since they alone can tell from the recipient whether they answer, how many there are, and as `recipients` what
-- server/rules/recipients.h can look up without asking them.

local core = require "mxhook.core"
local nearest = require "mxhook.nearest"

local error, ipairs, setmetatable, getinfo = error, ipairs, setmetatable, debug.getinfo
local concat, insert, sort = table.concat, table.insert, table.sort

local rule = {}

local made = { __metatable = "rule" }
local parts_of = setmetatable({}, { __mode = "k" })

--- A rule as the file that made it sees it: a table without contents.
function rule.new(parts)
    local new = setmetatable({}, made)
    parts_of[new] = parts
    return new
end

-- The parts of every rule, in order, and what answered while tests ask: by rule, and by key of its aliases.
local all, reached = {}, {}

--- The loader's.
function rule.set_all(parts) all = parts end

--- The parts of every rule, in the order in which they are asked; of a function there is the source alone.
function rule.all() return all end

--- From now on it is noted which of the functions, those of set_all()'s rules, answer.
function rule.track(functions)
    reached = {}
    for i, ask in ipairs(functions) do
        local parts = all[i]
        functions[i] = function(msg)
            local answer = ask(msg)
            if answer then
                reached[parts] = reached[parts] or {}
                local key = parts.key_of and parts.key_of(msg)
                if key then reached[parts][key] = true end
            end
            return answer
        end
    end
end

--- Rules and keys that have not answered since rule.track(), a line each.
function rule.unreached()
    local lines = {}
    for _, parts in ipairs(all) do
        local keys = reached[parts]
        if not keys then
            insert(lines, parts.source)
        else
            local names = {}
            for _, key in ipairs(parts.keys or {}) do
                if not keys[key] then insert(names, key) end
            end
            sort(names)
            for _, key in ipairs(names) do insert(lines, parts.source .. " " .. key) end
        end
    end
    return concat(lines, "\n")
end

--- What rule.new() was given, or nil where `value` is not a rule that a constructor made.
function rule.parts(value)
    return parts_of[value]
end

local warnings = {}

-- The files that are being loaded, by name, and the one whose chunk runs.
local sources, current = {}, nil

--- The loader's, around the run of each file: so that errors can name the line of a key.
function rule.begin_file(name, text)
    sources[name], current = text, name
end

function rule.end_file(name)
    sources[name], current = nil, nil
end

--- The line of a file's last `return`.
function rule.return_line(text)
    local line, found = 0, 1
    for content in (text .. "\n"):gmatch("(.-)\n") do
        line = line + 1
        if content:find("^%s*return%f[%W]") then found = line end
    end
    return found
end

-- `return alias {...}` is a tail call, which leaves no frame of the file: then it is the last return.
local function caller()
    for level = 3, 30 do
        local info = getinfo(level, "Sl")
        if not info then break end
        if info.source:sub(1, 1) == "@" then return info.source:sub(2), info.currentline end
    end
    if current then return current, rule.return_line(sources[current]) end
end

--- "10-alias.lua:3", the line of the rule file that is calling a constructor.
function rule.where()
    local name, line = caller()
    return name and ("%s:%d"):format(name, line) or "?"
end

-- The line that holds `"key"`: a constructor's call has one line, its table many.
local function line_of(text, key)
    local at = text:find('"' .. key .. '"', 1, true) or text:find("'" .. key .. "'", 1, true)
        or text:find(key, 1, true)
    if not at then return nil end
    local _, lines = text:sub(1, at):gsub("\n", "\n")
    return lines + 1
end

--- Raises "10-alias.lua:4: text", with the line of `key` in the rule file where it can be found.
function rule.fail(key, text)
    local name, line = caller()
    if key and sources[name] then line = line_of(sources[name], key) or line end
    error(("%s:%d: %s"):format(name or "?", line or 0, text), 0)
end

--- Warns of what loads but is hardly meant: "10-alias.lua:4: text", as rule.fail() would say.
function rule.warn(key, text)
    local name, line = caller()
    if key and sources[name] then line = line_of(sources[name], key) or line end
    insert(warnings, ("%s:%d: %s"):format(name or "?", line or 0, text))
end

--- The same, where the place is known: "10-alias.lua:3".
function rule.warn_at(place, text) insert(warnings, place .. ": " .. text) end

--- The warnings since the last call, in the order in which they came.
function rule.take_warnings()
    local taken = warnings
    warnings = {}
    return taken
end

--- Checks an answer that a rule will give; raises as rule.fail().
function rule.check_answer(key, what, value)
    local wrong = value == nil and "nil" or core.check_answer(value)
    if wrong then
        rule.fail(key, ("%s: a destination was expected (a URL or an e-mail address, several by comma, a list, a table "
            .. "with a url, or \"null\"), not %s"):format(what, wrong))
    end
end

--- " (did you mean 'subject'?)" where one of `names` is near to `name`; else "".
function rule.suggest(name, names)
    return nearest(name, names, " (did you mean '%s'?)")
end

return rule
