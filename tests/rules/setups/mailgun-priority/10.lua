-- Mailgun Routes: match_header by priority; a store() that goes on, a forward() with stop().
return {
    function() return route.also "https://archive.example/store" end,
    route.regex { headers = { Subject = "(?i).*urgent.*" }, to = "oncall@home.example" },
    alias { ["help@shop.example"] = "https://desk.example/hook" },
}
