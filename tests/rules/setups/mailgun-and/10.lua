-- Mailgun Routes: match_recipient(...) and match_header(...).
return {
    route.regex {
        all = { recipient = "^orders@", headers = { ["X-Order"] = "^(\\d+)$" } },
        to = "https://shop.example/orders/$1",
    },
    route.regex { recipient = "^orders@", to = "clerk@home.example" },
}
