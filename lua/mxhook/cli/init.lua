-- `mxhook init`: files to begin with.

local arguments_of = require "mxhook.cli.arguments"

local init = {}

local CONFIG = [[
-- The configuration of mxhook. `man mxhook.lua` explains every option, and `mxhook config` prints them.
domains = { "@DOMAIN@" }
listen = { "127.0.0.1:2525" } -- a server for everybody: { "0.0.0.0:25", "[::]:25" }
spool = { directory = "spool" }
]]

local RULES = [[
-- Where mail goes, by recipient: see mxhook-rules(7). `mxhook check` finds mistakes, `mxhook test` runs the tests.
return alias {
    -- ["sales@@DOMAIN@"] = "https://crm.example/hook, boss@example.net",
    -- ["noreply@@DOMAIN@"] = "null", -- accepted, and dropped
    ["*@@DOMAIN@"] = "@WEBHOOK@",
}
]]

local TESTS = [[
-- What `mxhook test` runs.
describe("aliases", function()
    it("send everything to the webhook", function()
        local result = route { to = "hello@@DOMAIN@", subject = "Hello" }
        assert.same({ "@WEBHOOK@" }, result.destinations)
        assert.equal(250, result.reply.code)
    end)
end)
]]

local FILES = {
  { "mxhook.lua", CONFIG }, { "rules.d/10-aliases.lua", RULES }, { "rules.d/10-aliases_test.lua", TESTS },
}

-- A configuration that is kept has domains of its own.
local function tell_of_domain(path, text, domain)
  if path:find("mxhook%.lua$") and not text:lower():find(('["\']%s["\']'):format(domain:gsub("%p", "%%%0"))) then
    print(("         its `domains` must name \"%s\", or mail for it is refused"):format(domain))
  end
end

local function write(path, text, domain)
  local there = io.open(path)
  if there then
    print("kept     " .. path)
    tell_of_domain(path, there:read("*a") or "", domain)
    there:close()
    return
  end
  local file, why = io.open(path, "w")
  if not file then error(why, 0) end
  local ok
  ok, why = file:write(text)
  if not ok or not file:close() then error(path .. ": " .. (why or "cannot be written"), 0) end
  print("written  " .. path)
end

local function quoted(text)
  return (("%q"):format(text):sub(2, -2))
end

-- Domains and URLs as the configuration and the rules take them are checked by `mxhook check`; here only what would
-- break the files.
local function check(arguments)
  local domain = arguments_of.check_domain(arguments.domain)
  if not arguments.webhook:find("^https?://[^%s%c]+$") then
    error(("--webhook: expected a URL that begins with http:// or https://, got \"%s\""):format(arguments.webhook), 0)
  end
  return { DOMAIN = domain, WEBHOOK = quoted(arguments.webhook) }
end

function init.run(arguments, make_folder)
  local words = check(arguments)
  local directory = arguments.directory:gsub("(.)/+$", "%1")
  make_folder(directory)
  make_folder(directory .. "/rules.d")
  for _, file in ipairs(FILES) do
    write(directory .. "/" .. file[1], (file[2]:gsub("@([A-Z]+)@", words)), words.DOMAIN)
  end
  return 0
end

return init
