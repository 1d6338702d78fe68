-- Software for many: each tenant's subdomain to its own address, signed with its own secret.
local tenants = { blue = "whsec_Ymx1ZQ==", red = "whsec_cmVk" }
return function(msg)
    local tenant = msg.envelope.domain:match("^([%w-]+)%.mail%.example$")
    if not tenants[tenant] then return route.reject("No such tenant") end
    return {
        url = "https://" .. tenant .. ".app.example/mail/" .. route.encode(msg.envelope.localpart),
        secret = tenants[tenant],
        headers = { ["X-Tenant"] = tenant },
    }
end
