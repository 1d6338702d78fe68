it("gives hash and reply", function()
    local result = route { to = "reply+Order77@in.example", headers = { ["X-Mailbox-Hash"] = "forged" },
        text = "Yes.\n\nOn Mon, 2 Mar 2026 at 09:00, Ada <ada@a.example> wrote:\n> Is it?\n" }
    assert.equal("order77", result.headers["x-mailbox-hash"])
    assert.equal("WWVzLg==", result.headers["x-stripped-text-reply"])
end)
it("clears a forged one", function()
    assert.is_nil(route { to = "reply@in.example", headers = { ["X-Mailbox-Hash"] = "forged" } }.headers["x-mailbox-hash"])
end)
