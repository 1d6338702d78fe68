it("takes the number along", function()
    assert.same({ "https://books.example/invoices/77" }, route { to = "INV-77@shop.example" }.destinations)
end)
it("refuses others", function() assert.equal(550, route { to = "inv-x@shop.example" }.reply.code) end)
