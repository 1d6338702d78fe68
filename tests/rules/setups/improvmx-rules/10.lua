-- ImprovMX's rules: CEL over the message, before the aliases.
return {
    route.cel { when = "subject.contains('finance') && !recipient.startsWith('richard')", to = "https://fin.example/" },
    alias { ["*@shop.example"] = "https://all.example/" },
}
