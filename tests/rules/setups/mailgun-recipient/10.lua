-- Mailgun Routes: match_recipient("(?P<user>.*?)@(?P<domain>.*)") and forward("https://.../\g<domain>/\g<user>").
return route.regex {
    recipient = "^(?P<user>[^@]*)@(?P<domain>.*)$",
    to = "https://mail.example/inbox/${domain}/${user}",
}
