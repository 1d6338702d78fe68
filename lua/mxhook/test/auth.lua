--- What authentication found, as a test says it:
--
--   auth = { spf = "fail", dkim = { { result = "pass", domain = "a.example", selector = "s" } },
--            dmarc = { result = "fail", domain = "a.example", policy = "reject" }, iprev = "fail",
--            dnsbl = { "zen.example", ["bl.example"] = { codes = { "127.0.0.4" }, reason = "spam" },
--                      ["dead.example"] = { listed = false, error = "DNS look-up failed" } } }
--
-- A string is a table that says just `result`. What is missing is "none"; domains that are missing are those
-- of the message. A blocklist that is named has the client, with the code 127.0.0.2.

local check_one_of = require "mxhook.test.one_of"

-- RFC 8601 section 2.7; none is what everything may be.
local results = {
    spf = { "none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror" },
    dkim = { "none", "pass", "fail", "policy", "neutral", "temperror", "permerror" },
    dmarc = { "none", "pass", "fail", "temperror", "permerror" },
    iprev = { "none", "pass", "fail", "temperror", "permerror" },
}
local fields = {
    spf = { "result", "domain", "reason", "explanation" },
    dkim = { "result", "domain", "selector", "algorithm", "reason" },
    dmarc = { "result", "domain", "policy", "reason" },
    iprev = { "result", "reason" },
}
local policies = { "none", "quarantine", "reject" }

local function check_table(value, where, names)
    if type(value) ~= "table" then
        error(("%s: a table was expected, not a %s"):format(where, type(value)), 0)
    end
    for key in pairs(value) do check_one_of(key, names, where) end
end

-- One check's table, whole: a copy.
local function read(value, method, where)
    if type(value) == "string" then value = { result = value } end
    check_table(value, where, fields[method])
    local copy = { result = "none", domain = "" }
    for key, text in pairs(value) do
        if type(text) ~= "string" then
            error(("%s.%s: a string was expected, not a %s"):format(where, key, type(text)), 0)
        end
        copy[key] = text
    end
    check_one_of(copy.result, results[method], where .. ".result")
    if copy.policy then check_one_of(copy.policy, policies, where .. ".policy") end
    if method == "dkim" then
        copy.selector, copy.algorithm = copy.selector or "", copy.algorithm or ""
    end
    return copy
end

-- A result, or one signature's table, stands for a list of one; "none" for none.
local function read_signatures(value)
    if value == "none" then return {} end
    if type(value) == "string" or type(value) == "table" and value.result then value = { value } end
    if type(value) ~= "table" then
        error(("auth.dkim: a list was expected, not a %s"):format(type(value)), 0)
    end
    local list = {}
    for index, signature in ipairs(value) do
        list[index] = read(signature, "dkim", ("auth.dkim[%d]"):format(index))
    end
    for key in pairs(value) do
        if not list[key] then
            error(("auth.dkim: a list of signatures was expected, not '%s'"):format(tostring(key)), 0)
        end
    end
    return list
end

local list_fields = { "listed", "codes", "reason", "error" }

local function expect(value, kind, where)
    if type(value) ~= kind then
        error(("%s: a %s was expected, not a %s"):format(where, kind, type(value)), 0)
    end
end

local function read_list(zone, value)
    local where = ('auth.dnsbl["%s"]'):format(zone)
    check_table(value, where, list_fields)
    local listed = value.listed
    if listed == nil then listed = value.error == nil end
    expect(listed, "boolean", where .. ".listed")
    local codes = value.codes or (listed and { "127.0.0.2" } or {})
    expect(codes, "table", where .. ".codes")
    for index, code in ipairs(codes) do expect(code, "string", ("%s.codes[%d]"):format(where, index)) end
    for _, name in ipairs { "reason", "error" } do
        if value[name] ~= nil then expect(value[name], "string", where .. "." .. name) end
    end
    return { zone = zone, listed = listed, codes = codes, reason = value.reason, error = value.error }
end

-- Zones that list the client, and zone = what it says.
local function read_lists(value)
    expect(value, "table", "auth.dnsbl")
    local list = {}
    for key, item in pairs(value) do
        if type(key) == "number" then key, item = item, {} end
        expect(key, "string", "auth.dnsbl: a zone")
        list[#list + 1] = read_list(key, item)
    end
    return list
end

--- The same, complete and checked, for server/cli/runner.c. Raises what is wrong.
return function(auth)
    check_table(auth, "auth", { "spf", "dkim", "dmarc", "iprev", "dnsbl" })
    return {
        spf = read(auth.spf or "none", "spf", "auth.spf"),
        dkim = read_signatures(auth.dkim or {}),
        dmarc = read(auth.dmarc or "none", "dmarc", "auth.dmarc"),
        iprev = read(auth.iprev or "none", "iprev", "auth.iprev"),
        dnsbl = read_lists(auth.dnsbl or {}),
    }
end
