-- What is valid UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.

local utf8 = {}

function utf8.is_valid(text)
  local at = 1
  while at <= #text do
    local lead = text:byte(at)
    local more = lead < 0x80 and 0 or lead >= 0xC2 and lead < 0xE0 and 1 or lead >= 0xE0 and lead < 0xF0
      and 2 or lead >= 0xF0 and lead < 0xF5 and 3
    if not more then return false end
    for i = at + 1, at + more do
      local byte = text:byte(i)
      if not byte or byte < 0x80 or byte > 0xBF then return false end
    end
    local second = text:byte(at + 1)
    if lead == 0xE0 and second < 0xA0 or lead == 0xED and second > 0x9F
      or lead == 0xF0 and second < 0x90 or lead == 0xF4 and second > 0x8F then
      return false
    end
    at = at + more + 1
  end
  return true
end

return utf8
