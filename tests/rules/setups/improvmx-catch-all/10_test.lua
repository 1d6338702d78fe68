it("sends to both", function()
    assert.same({ "ann@home.example", "https://crm.example/hook" }, route { to = "Sales+news@shop.example" }.destinations)
end)
it("drops, and catches the rest", function()
    local dropped = route { to = "noreply@shop.example" }
    assert.same({}, dropped.destinations)
    assert.equal(250, dropped.reply.code)
    assert.same({ "owner@home.example" }, route { to = "any@shop.example" }.destinations)
end)
