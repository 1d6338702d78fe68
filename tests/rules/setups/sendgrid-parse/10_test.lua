it("goes by host, with what was checked", function()
    local result = route { to = "x@parse.red.example", auth = { spf = "fail", dkim = "pass" } }
    assert.same({ "https://red.example/parse" }, result.destinations)
    assert.equal("fail", result.headers["x-spf"])
    assert.equal("pass", result.headers["x-dkim"])
end)
