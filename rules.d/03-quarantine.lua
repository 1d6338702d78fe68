-- Spam and viruses go to a place of their own, where a scanner is asked (scan.rspamd) and a URL is set.
-- Without one msg.scan is nil, and the next rule is asked.

local quarantine = env "MXHOOK_QUARANTINE_URL"

return function(msg)
    local scan = msg.scan
    if quarantine and scan and (scan.spam or scan.virus) then return quarantine end
end
