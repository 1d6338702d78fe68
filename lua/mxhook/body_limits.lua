--- Finds what a rule file sets max_body to: body_limits(text, units) -> a list of { line =, bytes =, written = }.
-- units: the bytes of each unit of a size.
--
-- Only constants, as max_body = 100000, = 5 * 1024 * 1024, = "2.5 MB", and a local that is one of these: what a rule
-- works out cannot be known before it runs. Sizes as server/config/destination_read.c reads them.

local places = require "mxhook.places"

local loadstring, pcall, setfenv, tonumber = loadstring, pcall, setfenv, tonumber
local sub = string.sub

-- What is written at `at`, and how many bytes that is; nil: it is no constant.
local function constant(text, at, units)
    local quoted, quote, number, unit = text:match("^(([\"'])([%d.]+) *(%a*)%2)", at)
    if quote then
        local bytes = units[unit] and tonumber(number)
        return quoted, bytes and bytes * units[unit]
    end
    local rest = text:match("^[^\n]*", at):gsub("(%d)[eE](%d)", "%1\1%2")
    local sum = rest:match("^%(*%d[%d \t.*+/()^\1-]*")
    sum = sum and sum:gsub("%-%-.*", ""):gsub("%s+$", ""):gsub("\1", "e")
    local chunk = sum and loadstring("return " .. sum)
    if not chunk then return nil end
    local worked, value = pcall(setfenv(chunk, {}))
    return sum, worked and tonumber(value) or nil
end

-- The same of a name that the file gives a constant once.
local function named(text, name, units)
    local found
    for at in text:gmatch("%f[%w_]local%s+" .. name .. "%s*=%s*()") do
        if found then return nil end
        found = at
    end
    if found then return constant(text, found, units) end
end

return function(text, units)
    local found = {}
    for at, line in places(text) do
        local value = text:match("^max_body%s*=%s*()[^=]", at) or text:match("^%[%s*[\"']max_body[\"']%s*%]%s*=%s*()[^=]", at)
        if value and not sub(text, at - 1, at - 1):find("[%w_]") then
            local written, bytes = constant(text, value, units)
            local name = not written and text:match("^[%a_][%w_]*", value)
            if name then written, bytes = named(text, name, units) end
            if bytes then found[#found + 1] = { line = line, bytes = bytes, written = name or written } end
        end
    end
    return found
end
