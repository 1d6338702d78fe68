local quarantine = os.getenv "MXHOOK_QUARANTINE_URL"

describe("quarantine", function()
    it("has what rspamd takes for spam", function()
        local result = route { to = "hook@example.com", scan = { score = 20, action = "reject", symbols = { GTUBE = 20 } } }
        assert.equal(250, result.reply.code)
        if quarantine then assert.same({ quarantine }, result.destinations) end
        assert.equal("reject", result.headers["X-Spam-Action"])
    end)

    it("has nothing else", function()
        local result = route { to = "hook@example.com", scan = { score = 1 } }
        assert.is_not.equal("03-quarantine.lua:6", result.rule)
        assert.equal("no action", result.headers["X-Spam-Action"])
    end)
end)
