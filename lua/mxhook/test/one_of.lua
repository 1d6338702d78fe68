--- check_one_of(value, names, where): raises where the value is none of the names, and says which one was meant.

local nearest = require "mxhook.nearest"

return function(value, names, where)
    for _, name in ipairs(names) do
        if value == name then return end
    end
    error(("%s: one of %s was expected, not '%s'%s"):format(where, table.concat(names, ", "), tostring(value),
        nearest(tostring(value), names, "; did you mean '%s'?")), 0)
end
