-- What is different where the dialogues of trusted clients are played: their address is 127.0.0.2.
access = { xclient = { "127.0.0.2" }, deny = { "203.0.113.0/24" } }
