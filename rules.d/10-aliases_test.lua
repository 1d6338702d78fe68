-- `mxhook test` runs this beside the rules: the real loader, the real parser, the same limits.

local webhook = os.getenv "MXHOOK_DEMO_URL" or "http://127.0.0.1:8080/mail"

describe("aliases", function()
    it("send the demo's address to the webhook", function()
        local result = route { to = "hook@example.com", subject = "Hello" }
        assert.same({ webhook }, result.destinations)
        assert.equal(250, result.reply.code)
    end)

    it("put the number of an invoice in the URL", function()
        local result = route { to = "INV-2042@example.com" }
        assert.same({ webhook .. "/invoices/2042" }, result.destinations)
    end)

    it("drop what nobody reads", function()
        local result = route { to = "noreply@example.com" }
        assert.same({}, result.destinations)
        assert.equal(250, result.reply.code)
    end)
end)

describe("support", function()
    it("is marked with the customer after the plus sign", function()
        local result = route { to = "support+acme@example.com" }
        assert.same({ webhook }, result.destinations)
        assert.equal("acme", result.headers["X-Customer"])
    end)

    it("without one has none, whatever the sender wrote", function()
        local result = route { to = "support@example.com", headers = { ["X-Customer"] = "forged" } }
        assert.is_nil(result.headers["X-Customer"])
    end)
end)

it("refuses everyone else", function()
    local result = route { to = "nobody@example.com" }
    assert.equal(550, result.reply.code)
    assert.equal("90-unknown.lua:4", result.rule)
end)
