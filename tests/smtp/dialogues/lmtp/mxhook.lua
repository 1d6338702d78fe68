-- What is different where the dialogues of LMTP are played.
listen = { { address = "127.0.0.1:0", protocol = "lmtp" } }
