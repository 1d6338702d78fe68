-- Arguments that several commands take: what is wrong with one is said in the same words.

local arguments = {}

-- Whether it can be a domain in a configuration or an address: nothing that would break a file it is written to.
function arguments.is_domain(text)
  return text:find("^[%w%-._\128-\255]+$") ~= nil and not text:find("%.%.") and not text:find("^%.")
end

-- --domain: in lower case. Raises.
function arguments.check_domain(text)
  if not arguments.is_domain(text) then
    error(("--domain: expected a domain such as \"example.com\", got \"%s\""):format(text), 0)
  end
  return text:lower()
end

return arguments
