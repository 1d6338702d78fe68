-- Is anything that can change shared between two rule files, or with the server's own Lua code?
--
-- Called in the state of a loaded ruleset: sharing(walk, rule functions of two files, msg) -> a line of what was
-- visited. Raises what is shared.

local walk, first, second, msg = ...

local function reach(rule) return walk(debug.getfenv(rule), msg) end

-- Every table of the server's own: what `require` and the registry hold, metatables, upvalues, to the end.
local function own_tables(skip)
    local found, queue = {}, {}
    local function add(value)
        local kind = type(value)
        if (kind == "table" or kind == "function" or kind == "userdata") and not found[value] and not skip[value] then
            found[value] = true
            table.insert(queue, value)
        end
    end
    add(_G)
    add(debug.getregistry()._LOADED)
    add(debug.getmetatable(""))
    for at = 1, math.huge do
        local value = queue[at]
        if not value then return found end
        local metatable = debug.getmetatable(value)
        add(metatable)
        -- what is known of a file's own objects hangs on them, weakly
        if type(value) == "table" and not (metatable and metatable.__mode) then
            for key, item in next, value do add(key) add(item) end
        elseif type(value) == "function" then
            for i = 1, 250 do
                local name, upvalue = debug.getupvalue(value, i)
                if not name then break end
                add(upvalue)
            end
        end
    end
end

local a, counts = reach(first)
local b = reach(second)
local own = own_tables { [debug.getfenv(first)] = true, [debug.getfenv(second)] = true, [walk] = true }

-- msg and what is in it are read-only views, of which assigning raises; msg.headers belongs to the message.
local function can_change(value)
    if type(value) == "table" then return true end
    if type(value) ~= "userdata" or value == require "cjson".null then return false end
    return pcall(function() value.anything = 1 end)
end

local visited, shared = 0, {}
for value in next, a do
    visited = visited + 1
    local metatable = debug.getmetatable(value)
    local is_headers = type(value) == "userdata" and metatable and metatable.__metatable == "headers"
    if can_change(value) and not is_headers then
        if b[value] then table.insert(shared, "by both files: " .. tostring(value)) end
        if own[value] and type(value) == "table" then table.insert(shared, "by the server: " .. tostring(value)) end
    end
end
if #shared > 0 then error(table.concat(shared, "\n"), 0) end

-- And by what it does: whatever the first file can write to, the second must not see.
local environment = debug.getfenv(first)
for value in next, a do
    if type(value) == "table" then
        pcall(environment.rawset, value, "leak", "leaked")
        pcall(environment.rawset, value, 1, "leaked")
    end
end
for value in next, (reach(second)) do
    if type(value) == "table" and (rawget(value, "leak") == "leaked" or rawget(value, 1) == "leaked") then
        error("what one file wrote, another sees: " .. tostring(value), 0)
    end
end
assert(("x").leak == nil and string.leak == nil and require("mxhook.strings").leak == nil)

local kinds = {}
for kind, count in next, counts do table.insert(kinds, count .. " " .. kind .. "s") end
table.sort(kinds)
return visited .. " values (" .. table.concat(kinds, ", ") .. "), nothing mutable shared"
