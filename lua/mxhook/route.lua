--- route: what a rule answers.
--
--   return "https://a.example/hook"            -- there
--   return route.also("https://log.example")   -- there, and the next rules are asked as well
--   return route.discard()                     -- accepted, and dropped
--   return route.reject("No such person")      -- 550: the sender gets it back
--   return route.defer("Back at six")          -- 451: the sender tries again later
--
-- And rules that a file returns: route.regex {...}, route.cel {...}.

local core = require "mxhook.core"
local matchers = require "mxhook.matchers"

local error, setmetatable, tostring, type = error, setmetatable, tostring, type

local route = {}

core.answer_type.__metatable = "answer"

-- C knows an answer by its metatable, and checks what is in it.
local function answer(action, value)
    return setmetatable({ action = action, value = value }, core.answer_type)
end

local function text_answer(action)
    return function(text)
        if text ~= nil and type(text) ~= "string" then
            error(("route.%s: a text was expected, not a %s"):format(action, type(text)), 2)
        end
        if text and text:find("[%z\r]") then
            error(("route.%s: the text must have no NUL or CR; \\n parts lines of the reply"):format(action), 2)
        end
        return answer(action, text or "")
    end
end

--- These destinations, and go on to the next rule.
function route.also(destinations)
    local wrong = destinations == nil and "nil" or core.check_answer(destinations)
    if wrong then error("route.also: destinations were expected, not " .. wrong, 2) end
    return answer("also", destinations)
end

--- Accept the message for this recipient, and drop it.
function route.discard()
    return answer("discard")
end

--- Refuse the message for good (550), with a text for the sender; "\n" parts the lines of the reply.
route.reject = text_answer("reject")

--- Refuse the message for now (451), with a text for the sender.
route.defer = text_answer("defer")

local NOT_URL_TEXT = "[^%w%-._~]"

--- The text as it can stand in a URL's path segment or query value (RFC 3986 section 2.3).
function route.encode(text)
    if type(text) ~= "string" and type(text) ~= "number" then
        error("route.encode: a text was expected, not a " .. type(text), 2)
    end
    return (tostring(text):gsub(NOT_URL_TEXT, function(char) return ("%%%02X"):format(char:byte()) end))
end

local MAX_BASE64 = 64 * 1024

--- The text in base64, as a header can hold it whatever is in it.
function route.encode_base64(text)
    if type(text) ~= "string" then
        error("route.encode_base64: a text was expected, not a " .. type(text), 2)
    end
    if #text > MAX_BASE64 then
        error(("route.encode_base64: a text of %d bytes; the limit is %d"):format(#text, MAX_BASE64), 2)
    end
    return core.encode_base64(text)
end

--- Rules made of a condition: see mxhook.matchers.
route.regex, route.cel = matchers.regex, matchers.cel

return route
