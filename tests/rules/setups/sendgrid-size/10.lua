-- What is large goes elsewhere, what has a program attached nowhere.
return {
    route.cel { when = "attachments.exists(a, a.name.matches('(?i)\\\\.(exe|scr|js)$'))", to = "null" },
    route.cel { when = "size > 100000", to = "https://big.example/" },
    alias { ["*@in.example"] = "https://small.example/" },
}
