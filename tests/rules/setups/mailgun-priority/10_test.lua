it("stores, and goes on", function()
    assert.same({ "https://archive.example/store", "oncall@home.example" },
        route { to = "help@shop.example", subject = "URGENT: down" }.destinations)
    assert.same({ "https://archive.example/store", "https://desk.example/hook" },
        route { to = "help@shop.example", subject = "Hello" }.destinations)
end)
