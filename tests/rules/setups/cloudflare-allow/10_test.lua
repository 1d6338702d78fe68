it("rejects others", function()
    local refused = route { to = "a@in.example" }
    assert.equal(550, refused.reply.code)
    assert.match("not allowed", refused.reply.text)
    local taken = route { to = "a@in.example", sender = "Boss@partner.example" }
    assert.same({ "inbox@home.example" }, taken.destinations)
    assert.equal("allow-list", taken.headers["x-worker"])
end)
