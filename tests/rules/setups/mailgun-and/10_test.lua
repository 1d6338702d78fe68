it("needs both", function()
    assert.same({ "https://shop.example/orders/12" },
        route { to = "orders@shop.example", headers = { ["X-Order"] = "12" } }.destinations)
    assert.same({ "clerk@home.example" }, route { to = "orders@shop.example" }.destinations)
end)
