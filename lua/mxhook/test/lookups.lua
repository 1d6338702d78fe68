-- What a test says that alias.http and alias.postgres are answered: { crm = { ["a@example.com"] = "https://...", ... } };
-- false for an address that there is not, or for a whole source that does not answer. Addresses that are not named are not there.

local cjson = require "cjson"
local core = require "mxhook.core"

local function text_of(kind, value)
    if kind == "databases" then
        if type(value) ~= "string" then error("a text was expected, as the column `destination` has it", 0) end
        return value
    end
    local ok, text = pcall(cjson.encode, value)
    if not ok then error("it cannot be JSON: " .. text, 0) end
    return text
end

local function add_source(list, kind, name, answers)
    if answers == false then
        table.insert(list, { kind = kind, source = name, status = "unknown" })
        return
    end
    if type(answers) ~= "table" then
        error(('%s.%s: a table { ["a@example.com"] = "https://..." } or false was expected'):format(kind, name), 0)
    end
    for address, value in pairs(answers) do
        if type(address) ~= "string" then
            error(("%s.%s: its keys are addresses, not a %s"):format(kind, name, type(address)), 0)
        end
        local entry = { kind = kind, source = name, address = core.fold_address(address), status = value and "found" or "none" }
        if value then
            local ok, text = pcall(text_of, kind, value)
            if not ok then error(("%s.%s: %s: %s"):format(kind, name, address, text), 0) end
            entry.text = text
        end
        table.insert(list, entry)
    end
    table.insert(list, { kind = kind, source = name, status = "none" })
end

-- A list of answers for server/cli/runner.c, of a test's `lookups` and `databases`; or an error.
return function(envelope)
    local list = {}
    for _, kind in ipairs { "lookups", "databases" } do
        local value = envelope[kind]
        if value ~= nil and type(value) ~= "table" then error(kind .. ": a table of names was expected", 0) end
        for name, answers in pairs(value or {}) do add_source(list, kind, tostring(name), answers) end
    end
    return list
end
