it("blocks addresses and domains", function()
    for _, sender in ipairs { "Spam@bad.example", "any@worse.example" } do
        assert.equal(550, route { to = "a@in.example", sender = sender }.reply.code)
    end
    assert.equal(250, route { to = "a@in.example", sender = "good@bad.example" }.reply.code)
end)
