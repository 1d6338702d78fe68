-- Forward Email's TXT records: names, a regular expression with a group, several names, a catch-all.
return alias {
    ["hello@me.example"] = "me@home.example",
    ["/^(support|info)@me\\.example$/"] = "team+$1@home.example",
    ["app-(*)@me.example"] = "https://app.example/$1",
    ["*@me.example"] = "me@home.example",
}
