-- What commands that write rules and configurations ask of text that goes there: said in the same words by each.

local utf8 = require "mxhook.utf8"

local arguments = {}

-- Whether the configuration can take it as a domain, but for what IDNA says of a label; no wildcard.
function arguments.is_domain(text)
  return text ~= "" and not text:find("[^%w%-%._\128-\255]") and not text:find("%.%.") and not text:find("^[%.%-]")
    and not text:find("[%.%-]$") and utf8.is_valid(text)
end

-- --domain: in lower case. Raises.
function arguments.check_domain(text)
  if not arguments.is_domain(text) then
    error(("--domain: expected a domain such as \"example.com\", got \"%s\""):format(text), 0)
  end
  return text:lower()
end

return arguments
