-- ImprovMX: aliases, several destinations by comma, a catch-all, one that is dropped.
return alias {
    ["sales@shop.example"] = "ann@home.example, https://crm.example/hook",
    ["noreply@shop.example"] = "null",
    ["*@shop.example"] = "owner@home.example",
}
