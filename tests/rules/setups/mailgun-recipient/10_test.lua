it("has both groups", function()
    assert.same({ "https://mail.example/inbox/blue.example/joe%2Ba" },
        route { to = "Joe+A@blue.example" }.destinations)
end)
