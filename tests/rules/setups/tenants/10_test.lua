it("goes to its tenant", function()
    local result = route { to = "Joe@Blue.mail.example" }
    assert.same({ "https://blue.app.example/mail/joe" }, result.destinations)
    assert.equal("whsec_Ymx1ZQ==", result.details[1].secret)
    assert.equal("blue", result.details[1].headers["X-Tenant"])
    assert.equal(550, route { to = "joe@green.mail.example" }.reply.code)
end)
