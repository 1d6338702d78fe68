-- For scripts that go through tables of what is expected: check(what, found, expected), which ends the script where they are not
-- the same, and how many of those there were.
local count = 0

local function check(what, found, expected)
    count = count + 1
    if found ~= expected then
        error(("%s: %q, and %q was expected"):format(what, tostring(found), tostring(expected)), 0)
    end
end

return check, function() return count end
