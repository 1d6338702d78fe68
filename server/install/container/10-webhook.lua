-- Everything goes to one URL, MXHOOK_WEBHOOK, signed where MXHOOK_SECRET is set. Without a URL it is deferred, so that nothing
-- is lost to a mistake.
local url, secret = env("MXHOOK_WEBHOOK"), env("MXHOOK_SECRET")

return function()
    if not url then return route.defer("MXHOOK_WEBHOOK is not set") end
    return { url = url, secret = secret }
end
