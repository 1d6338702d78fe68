-- What commands that write rules and configurations ask of text that goes there: said in the same words by each.

local arguments = {}

-- Whether it is valid UTF-8: nothing above ASCII is left when all that is well-formed was replaced.
function arguments.is_utf8(text)
  for _, pattern in ipairs {
    "[\241-\243][\128-\191][\128-\191][\128-\191]", "\240[\144-\191][\128-\191][\128-\191]",
    "\244[\128-\143][\128-\191][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]", "\224[\160-\191][\128-\191]",
    "\237[\128-\159][\128-\191]", "[\194-\223][\128-\191]",
  } do
    if not text:find("[\128-\255]") then return true end
    text = text:gsub(pattern, "x") -- something stays, so that its neighbours do not become one
  end
  return not text:find("[\128-\255]")
end

-- Whether the configuration can take it as a domain, but for what IDNA says of a label; no wildcard.
function arguments.is_domain(text)
  return text ~= "" and not text:find("[^%w%-%._\128-\255]") and not text:find("%.%.") and not text:find("^[%.%-]")
    and not text:find("[%.%-]$") and arguments.is_utf8(text)
end

-- --domain: in lower case. Raises.
function arguments.check_domain(text)
  if not arguments.is_domain(text) then
    error(("--domain: expected a domain such as \"example.com\", got \"%s\""):format(text), 0)
  end
  return text:lower()
end

return arguments
