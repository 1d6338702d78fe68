-- What a rule file can reach, by the means that it has: indexing, metatables that it may see, iterators, and calling
-- functions. Runs outside of the sandbox, with the functions of the file's own environment.
--
-- walk(environment, msg) -> everything that was found, as a set; and how many of each type.

local raw_next, raw_type, raw_pcall, raw_tostring, insert = next, type, pcall, tostring, table.insert

-- Arguments that make functions hand out what they keep: each list is one call.
local function calls(value)
    return { {}, { value }, { "a" }, { "a", "a" }, { { "a" } }, { 1 }, { "a", { a = "b" } }, { function() return 1 end },
        { "a", "a", "a" }, { { to = "null", when = "true" } }, { { to = "null", subject = "a" } },
        { { ["a@b.example"] = "null" } }, { value, "a" }, { value, "a", "a" }, { value, 1 }, { n = 1 }, { "a", n = 2 },
        { "return _G", "a", "t", n = 4 }, { "return _G", "a", "t", false }, { "return _G", "a", "t", "a" } }
end

-- These would fill the log, or end what is under way.
local function is_left_out(environment, f)
    return f == environment.log or f == environment.error or f == environment.assert or f == environment.coroutine.yield
end

return function(environment, msg)
    local found, counts, queue = {}, {}, {}

    local function add(value)
        local kind = raw_type(value)
        if value == nil or kind == "string" or kind == "number" or kind == "boolean" or found[value] then return end
        found[value] = true
        counts[kind] = (counts[kind] or 0) + 1
        insert(queue, value)
    end

    local function add_results(ok, ...)
        if not ok and raw_type((...)) ~= "table" then return end
        for i = 1, select("#", ...) do add((select(i, ...))) end
    end

    local function iterate(iterator, state, key)
        for _ = 1, 100 do
            local results = { raw_pcall(iterator, state, key) }
            if not results[1] or results[2] == nil then return end
            add_results(unpack(results, 1, 6))
            key = results[2]
        end
    end

    local function look_into(value)
        add(environment.getmetatable(value))
        for _, each in raw_next, { environment.pairs, environment.ipairs } do
            local ok, iterator, state, key = raw_pcall(each, value)
            if ok then
                add(iterator)
                add(state)
                iterate(iterator, state, key)
            end
        end
        iterate(environment.next, value)
        for _, key in raw_next, { "__index", "__newindex", "__metatable", "code", "lookup", "iter", "all", 1, "headers",
            "to", "from", "cc", "envelope", "auth", "attachments", "inlines", "spf", "dkim", "dnsbl", "gsub", "new",
            "match", "find", "gmatch", "count", "split", "compile", "null", "encode", "decode" } do
            add_results(raw_pcall(function() return value[key] end))
        end
    end

    add(environment)
    add(msg)
    add(environment.getmetatable(""))
    for name in raw_next, { string = 1, table = 1, math = 1, os = 1, bit = 1, coroutine = 1, cjson = 1, rex = 1,
        ["mxhook.cel"] = 1, ["mxhook.store"] = 1, ["mxhook.rex"] = 1, ["mxhook.route"] = 1, ["mxhook.alias"] = 1 } do
        add(environment.require(name))
    end
    for name in raw_next, _G do add(environment[name]) end -- behind an __index, which no next() sees
    for _, name in raw_next, { "log", "env", "route", "alias" } do add(environment[name]) end
    for name in raw_next, string do add_results(raw_pcall(function() return ("")[name] end)) end
    for at = 1, math.huge do
        local value = queue[at]
        if value == nil then break end
        local kind = raw_type(value)
        if kind == "function" and not is_left_out(environment, value) then
            for _, arguments in raw_next, calls(msg) do add_results(raw_pcall(value, unpack(arguments, 1, arguments.n or #arguments))) end
        elseif kind == "table" or kind == "userdata" then
            look_into(value)
            if environment.getmetatable(value) then add_results(raw_pcall(function() return value("a") end)) end
        end
        if at > 20000 then error("more than 20,000 values can be reached: " .. raw_tostring(value)) end
    end
    return found, counts
end
