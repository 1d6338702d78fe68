it("goes by size and name", function()
    local big = { { name = "a.pdf", content = ("x"):rep(100000) } }
    assert.same({ "https://big.example/" }, route { to = "a@in.example", attachments = big }.destinations)
    assert.same({}, route { to = "a@in.example", attachments = { { name = "A.EXE", content = "x" } } }.destinations)
    assert.same({ "https://small.example/" }, route { to = "a@in.example" }.destinations)
end)
