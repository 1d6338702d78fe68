--- Loads the rule files into one Lua state. C (server/rules/ruleset.c) calls load().

local body_limits = require "mxhook.body_limits"
local core = require "mxhook.core"
local nearest = require "mxhook.nearest"
local references = require "mxhook.references"
local rule = require "mxhook.rule"
local sandbox = require "mxhook.sandbox"
local twice = require "mxhook.twice"

local error, ipairs, load, next, pcall, tostring, type = error, ipairs, load, next, pcall, tostring, type
local concat, insert, getinfo = table.concat, table.insert, debug.getinfo

local loader = {}

local EXPECTED = "a rule, or a list of rules, was expected; a rule is a function of msg, or one made by "
    .. "alias, route.regex or route.cel"

-- A rule as a function, the name that the log gives it, and how to ask it about a recipient.
local function add(rules, value)
    local parts = rule.parts(value)
    local info = not parts and getinfo(value, "S")
    local known = parts or { source = ("%s:%d"):format(info.source:gsub("^[@=]", ""), info.linedefined) }
    insert(rules.functions, parts and parts.answer or value)
    insert(rules.names, known.source)
    insert(rules.serves, parts and parts.serves or false)
    insert(rules.recipients, parts and parts.recipients)
    insert(rules.parts, known)
    rules.aliases = rules.aliases + (parts and parts.aliases or 0)
end

local function is_rule(value)
    return type(value) == "function" or rule.parts(value) ~= nil
end

local function describe(value)
    if type(value) == "string" then return ("the string '%s'"):format(value:sub(1, 60)) end
    return value == nil and "nothing" or "a " .. type(value)
end

-- Adds what a file returned; or says what is wrong with it.
local function add_all(rules, value)
    if is_rule(value) then
        add(rules, value)
        return nil
    end
    if type(value) ~= "table" then return "returned " .. describe(value) .. ": " .. EXPECTED end
    for key in next, value do
        if type(key) ~= "number" or value[#value] == nil or key > #value or key < 1 then
            return ("returned a table with the key '%s': %s"):format(tostring(key), EXPECTED)
        end
    end
    for i, item in ipairs(value) do
        if not is_rule(item) then
            return ("returned a list with %s at %d: %s"):format(describe(item), i, EXPECTED)
        end
    end
    for _, item in ipairs(value) do add(rules, item) end
end

-- lib/: "names" is lib/names.lua, "a.b" is lib/a.b.lua; each file that requires one runs it anew.
local function make_load_lib(libraries)
    return function(name, environment)
        local text = libraries[name]
        if not text then return nil end
        local chunk, wrong = load(text, "@lib/" .. name .. ".lua", "t", environment)
        if not chunk then error(wrong, 0) end
        local value = chunk()
        if value == nil then return true end
        return value
    end
end

local function run(source, load_lib, unsafe)
    local environment = sandbox.environment(load_lib, unsafe)
    local chunk, wrong = load(source.text, "@" .. source.name, "t", environment)
    if not chunk then return nil, wrong end
    local ok, value = pcall(chunk)
    if ok then return true, value end
    if type(value) ~= "string" then value = ("raised a %s"):format(type(value)) end
    return nil, value
end

-- Errors of Lua begin with "name.lua:3: "; others get the file's first line. One of CEL goes on below, with
-- the expression and a caret.
local function locate(directory, name, text)
    if not text:find("^[^:\n]+%.lua:%d+: ") then text = name .. ":1: " .. text end
    return directory .. "/" .. text
end

-- An address that two aliases have: the later is never asked, where the first does not answer by route.also().
local function warn_of_hidden(rules)
    local first = {}
    for _, parts in ipairs(rules.parts) do
        for address, value in next, parts.exact or {} do
            if first[address] then
                rule.warn_at(parts.source, ("'%s' is answered by %s before: this one is never asked"):format(address,
                    first[address]))
            elseif not core.is_also(value) then
                first[address] = parts.source
            end
        end
    end
end

-- A payload is up to 1.4 times as large as its message: attachments are in base64, in JSON.
local function warn_of_limits(source, options)
    local payload = options.largest_payload
    for _, limit in ipairs(body_limits(source.text, options.byte_units)) do
        if limit.bytes < payload then
            rule.warn_at(("%s:%d"):format(source.name, limit.line), ("max_body = %s: less than what the largest message makes (%.0f bytes, "
                .. "smtp.max_size * 1.4): such a one would fail, unsent"):format(limit.written, payload))
        end
    end
end

-- Its mail would wait, and nothing would say so before the first one does.
local function warn_of_variables(source, options)
    for _, reference in ipairs(references(source.text)) do
        local name = reference.name
        if (core.env(name) or "") == "" then
            local why = core.env(name) and "empty here" or "not set here" .. nearest(name, options.environment, " (did you mean %s?)")
            rule.warn_at(("%s:%d"):format(source.name, reference.line), ("env:%s is %s: the server needs it in its environment"):format(name, why))
        end
    end
end

--- All rules in order, as lists of functions, names and serves, the recipients that
-- aliases name, the number of aliases, and a text with a line for each
-- warning; or nil and a line for each bad file.
function loader.load(sources, options)
    local rules = { functions = {}, names = {}, serves = {}, recipients = {}, parts = {}, aliases = 0 }
    local libraries, errors = {}, {}
    for _, source in ipairs(sources) do
        local library = source.name:match("^lib/(.+)%.lua$")
        if library then libraries[library] = source.text end
    end
    local load_lib = make_load_lib(libraries)
    for _, source in ipairs(sources) do
        warn_of_limits(source, options)
        warn_of_variables(source, options)
    end
    for _, source in ipairs(sources) do
        if source.name:sub(1, 4) ~= "lib/" then
            rule.begin_file(source.name, source.text)
            local ok, value = run(source, load_lib, options.unsafe)
            if ok then
                local wrong = add_all(rules, value)
                ok = not wrong
                value = wrong and ("%s:%d: %s"):format(source.name, rule.return_line(source.text), wrong)
            end
            local key, line = twice(source.text)
            if ok and key then
                ok, value = false, ("%s:%d: the key '%s' stands twice in one table: the first is lost"):format(source.name,
                    line, key)
            end
            rule.end_file(source.name)
            if not ok then
                insert(errors, locate(options.directory, source.name, value))
            end
        end
    end
    if #errors > 0 then return nil, concat(errors, "\n") end
    warn_of_hidden(rules)
    rule.set_all(rules.parts)
    return rules.functions, rules.names, rules.serves, rules.recipients, rules.aliases, concat(rule.take_warnings(), "\n")
end

return loader
